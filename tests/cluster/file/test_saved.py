"""The text of a cluster file as it is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.file.reader import read_document
from cluster.file.saved import fields_text

EXAMPLES = sorted((Path(__file__).parents[3] / "deployments" / "examples").glob("*.yaml"))


def backwards(document: Any) -> Any:
    """The same fields, in the other order in every mapping."""
    if isinstance(document, dict):
        return {name: backwards(value) for name, value in reversed(document.items())}
    return [backwards(item) for item in document] if isinstance(document, list) else document


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_fields_of_a_form_are_saved_in_the_order_of_the_reference(example: Path) -> None:
    """With their values, and without the fields that were not given."""
    document = yaml.safe_load(example.read_text(encoding="utf-8"))
    spec = read_document(backwards(document)).spec
    assert spec is not None
    saved = yaml.safe_load(fields_text(spec))
    assert saved == document
    assert next(iter(saved)) == "name"
    assert [*saved["hosts"][0]][:3] == ["name", "role", "ssh"]
    assert next(iter(saved["hosts"][0]["ssh"])) == "address"
