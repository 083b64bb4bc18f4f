"""The `cluster` parameter of a flow, in each way to give one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cluster.vocabulary.errors import SpecError
from runs.given_cluster import given_cluster, given_cluster_to_verify, is_name

TEXT = (Path(__file__).parents[2] / "deployments" / "examples" / "dual-stack.yaml").read_text(encoding="utf-8")
FIELDS = yaml.safe_load(TEXT)


@pytest.mark.parametrize("given", [TEXT, json.dumps(FIELDS), FIELDS], ids=["YAML", "JSON", "fields"])
def test_a_cluster_file_is_taken_as_text_and_as_fields(given: object) -> None:
    """Forms send text, the command sends fields."""
    for found in (given_cluster(given), given_cluster_to_verify(given), given_cluster_to_verify("a-kubeconfig", given)):
        assert found is not None
        assert found.fields["name"] == "demo"
        assert found.read().spec is not None
    assert not is_name(given)


@pytest.mark.parametrize("name", ["Two Words", "-x", ""])
def test_text_that_is_neither_a_name_nor_a_file(name: str) -> None:
    """It has no colon, so it can be no cluster file."""
    with pytest.raises(SpecError, match="is not the name of a saved cluster"):
        given_cluster(name)


def test_text_with_a_fault_is_no_name() -> None:
    """Its problems are those of a file."""
    found = given_cluster("name: demo\nstack: [")
    assert found.read().spec is None
