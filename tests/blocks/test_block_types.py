"""Blocks in the Prefect UI: description, form and code example."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Workplace

pytestmark = pytest.mark.server

SLUGS = ("ssh-credential", "artifact-bundle", "audit-store", "backup-store", "saved-cluster", "saved-kubeconfig", "recorded-host-keys")


def form(place: Workplace, slug: str) -> dict[str, Any]:
    """The JSON schema of a block's form in the UI."""
    kind = place.api(f"/block_types/slug/{slug}")
    (schema, *_) = place.api("/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}})
    return dict(schema["fields"])


@pytest.mark.parametrize("slug", SLUGS)
def test_a_block_type_explains_itself(prefect_server: Workplace, slug: str) -> None:
    """Each type has a description, and a code example that is Python and loads a block."""
    kind = prefect_server.api(f"/block_types/slug/{slug}")
    assert len(kind["description"]) > 60
    code = kind["code_example"].strip().removeprefix("```python").removesuffix("```")
    compile(code, slug, "exec")
    assert f"from blocks.{slug.replace('-', '_')} import" in code
    assert re.search(r"\b[A-Z]\w+\.load\(\"\w+\"\)", code), code


@pytest.mark.parametrize("slug", SLUGS)
def test_every_field_of_the_form_is_described(prefect_server: Workplace, slug: str) -> None:
    """Each field has a description, and a title or that of its model."""
    fields = form(prefect_server, slug)["properties"]
    assert fields
    assert [name for name, field in fields.items() if not field.get("description") or not {"title", "$ref"} & field.keys()] == []


def test_secret_fields_are_known_as_such(prefect_server: Workplace) -> None:
    """The server encrypts and the UI hides keys and passwords."""
    assert set(form(prefect_server, "ssh-credential")["secret_fields"]) == {"private_key", "passphrase", "password", "sudo_password"}
    assert form(prefect_server, "saved-kubeconfig")["secret_fields"] == ["kubeconfig"]
    assert form(prefect_server, "audit-store")["secret_fields"] == ["options.*"]
    assert form(prefect_server, "backup-store")["secret_fields"] == ["options.*"]


def test_the_ui_hides_a_secret_while_it_is_typed(prefect_server: Workplace) -> None:
    """The V2 UI does for this format, without a question for the type of the field first. The V1 UI hides no field."""
    fields = form(prefect_server, "ssh-credential")["properties"]
    secret = {name: field for name, field in fields.items() if not name.startswith("agent")}
    assert {(field["type"], field["format"], "anyOf" in field) for field in secret.values()} == {("string", "password", False)}
    assert {field["type"] for field in fields.values()} == {"string"}


def test_the_api_hides_a_saved_credential(prefect_server: Workplace) -> None:
    """The API returns stars instead of secrets unless they are requested. The database stores them encrypted."""
    prefect_server.register({"canary": {"password": "canary-of-a-password"}})
    block = prefect_server.api("/block_types/slug/ssh-credential/block_documents/name/canary")
    assert "canary-of-a-password" not in json.dumps(block)
    database = [path.read_bytes() for path in (prefect_server.prefect.state / "prefect").glob("prefect.db*")]
    assert database
    assert not any(b"canary-of-a-password" in content for content in database)
    program = str(Path(__file__).with_name("show_credential.py"))
    loaded = prefect_server.python(program, "canary", feed="canary-of-a-password")
    assert loaded.stdout.strip().endswith("True"), loaded.stdout + loaded.stderr
    assert "canary-of-a-password" not in loaded.stdout
