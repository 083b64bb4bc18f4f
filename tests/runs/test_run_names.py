"""Names of flow runs, for anything that a `cluster` parameter may be."""

from __future__ import annotations

from typing import Any

import pytest

from runs import run_names
from runs.run_names import given_name, run_name


class StandInForARun:
    """What Prefect knows of the current run."""

    def __init__(self, name: str, **parameters: Any) -> None:
        self.name, self.parameters = name, parameters


def named(monkeypatch: pytest.MonkeyPatch, words: str, **parameters: Any) -> str:
    """The name of a run that Prefect gave these words."""
    monkeypatch.setattr(run_names, "flow_run", StandInForARun(words, **parameters))
    return run_name("create")()


@pytest.mark.parametrize(
    ("cluster", "name"),
    [
        ("demo", "demo"),
        ({"name": "demo", "stack": "ipv6"}, "demo"),
        ("# a comment\nname: demo\nhosts: []\n", "demo"),
        ('stack: ipv6\nname: "demo"\n', "demo"),
        ("hosts:\n- name: node-1\n", "a cluster without a name"),
        ({"stack": "ipv6"}, "a cluster without a name"),
        ("x" * 64, "a cluster without a name"),
        (None, "a cluster without a name"),
    ],
    ids=["a name", "fields", "YAML", "quoted", "the name of a host only", "no name", "too long for a name", "nothing"],
)
def test_a_run_is_named_by_operation_cluster_and_words(monkeypatch: pytest.MonkeyPatch, cluster: object, name: str) -> None:
    """The words tell two runs apart: the command prints them when it starts the run."""
    assert named(monkeypatch, "sly-fox", cluster=cluster) == f"create {name} sly-fox"
    assert given_name() == (name if name == "demo" else "")


def test_a_run_that_continues_in_another_process_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named again, with its name as Prefect knows it then."""
    assert named(monkeypatch, "create demo sly-fox", cluster="demo") == "create demo sly-fox"


def test_a_run_without_a_cluster_is_named_by_its_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as `list clusters`."""
    assert named(monkeypatch, "sly-fox") == "create sly-fox"
