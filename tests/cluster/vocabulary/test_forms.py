"""The short form is a part of the cluster file."""

from __future__ import annotations

import types
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from cluster.file.reader import read_document
from cluster.vocabulary.forms import ClusterForm
from cluster.vocabulary.spec import ClusterSpec

SCHEMA = ClusterForm.model_json_schema()
ANSWERS = {"address": "192.0.2.11", "host_key": "trust-on-first-use", "name": "demo", "role": "control-plane"}


def filled(schema: dict[str, Any]) -> Any:
    """What a person makes of the form who fills in what has no proposal, and keeps the proposals."""
    if "$ref" in schema:
        return filled(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    if schema["type"] == "array":
        return [filled(schema["items"])]
    return {
        name: field.get("default", ANSWERS.get(name)) if "default" in field or name in ANSWERS else filled(field)
        for name, field in schema["properties"].items()
    }


def models(annotation: Any) -> list[type[BaseModel]]:
    """The models in a type."""
    if get_origin(annotation) in {tuple, types.UnionType} or get_args(annotation):
        return [model for part in get_args(annotation) for model in models(part)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []


def pairs(form: type[BaseModel], spec: type[BaseModel]) -> list[tuple[type[BaseModel], type[BaseModel]]]:
    """Each model of the form, with the one in its place in the cluster file."""
    found = [(form, spec)]
    for name, field in form.model_fields.items():
        for inner in models(field.annotation):
            (place,) = models(spec.model_fields[name].annotation)
            found += pairs(inner, place)
    return found


PAIRS = pairs(ClusterForm, ClusterSpec)


def test_a_form_with_the_proposals_is_a_good_cluster_file() -> None:
    """The ranges fit the proposed stack mode."""
    document = filled(SCHEMA)
    reading = read_document(document)
    assert reading.spec is not None, [str(problem) for problem in reading.problems]
    assert reading.spec.network.pods[1].cidr.version == 6


@pytest.mark.parametrize(("form", "spec"), PAIRS, ids=[form.__name__ for form, _ in PAIRS])
def test_what_a_cluster_file_must_have_is_required(form: type[BaseModel], spec: type[BaseModel]) -> None:
    """And the host key, without which no login is possible."""
    required = {name for name, field in spec.model_fields.items() if field.is_required()} | ({"host_key"} & spec.model_fields.keys())
    assert set(form.model_json_schema()["required"]) == required
    assert form.model_fields.keys() <= spec.model_fields.keys()
