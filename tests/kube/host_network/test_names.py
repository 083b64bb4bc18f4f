"""Parsing and writing NAMESPACE/NAME."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kube.host_network import check
from kube.host_network.names import DeploymentName, read_names


def test_names_are_read_and_written_alike() -> None:
    """The text of each name is the parsed text."""
    texts = ["tke/tke-platform-api", "kube-system/a.b-c.d"]
    names, problems = read_names(texts)
    assert problems == ()
    assert [str(name) for name in names] == texts
    assert names[0].path == "/apis/apps/v1/namespaces/tke/deployments/tke-platform-api"


@pytest.mark.parametrize(
    "text", ["", "api", "tke/", "/api", "tke/a/b", "Tke/api", "tke/a_b", "tke/api\n", "../x", "tke/-a", f"tke/{'a' * 254}"]
)
def test_a_malformed_name_is_reported(text: str) -> None:
    """With its position in the list. No name can lead to another path of the API."""
    names, (problem,) = read_names(["tke/ok", text])
    assert names == (DeploymentName("tke", "ok"),)
    assert (problem.code, problem.path) == ("malformed", "deployments[1]")


def test_all_problems_of_a_list_are_reported_together() -> None:
    """A duplicate, a malformed name, and an empty list."""
    _, problems = read_names(["a/b", "a/b", "x"])
    assert [problem.code for problem in problems] == ["duplicate-deployment", "malformed"]
    assert [problem.code for problem in read_names([])[1]] == ["missing-value"]


def test_every_code_is_explained() -> None:
    """The reference lists the codes that the package yields. The codes of malformed values are explained with the cluster file."""
    folder = Path(check.__file__).parent
    found = {code for file in folder.glob("*.py") for code in re.findall(r'Problem\(\s*"([a-z-]+)"', file.read_text(encoding="utf-8"))}
    assert found - {"malformed", "missing-value"} == set(check.PROBLEMS)
