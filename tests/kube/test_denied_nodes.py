"""Nodes that are not admitted, on a real API server, which enforces the policy."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from kube.client import ApiRefused, Document, KubeApi
from kube.denied_nodes import admit_node, denied_nodes, deny_node, is_denied

pytestmark = pytest.mark.bundle

NODES = "/api/v1/nodes"


def register(api: KubeApi, name: str) -> str | None:
    """Create and delete a Node; why it was refused."""
    document: Document = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    try:
        api.create(NODES, document)
    except ApiRefused as refusal:
        return refusal.message
    api.delete(f"{NODES}/{name}")
    return None


def eventually(condition: Callable[[], bool]) -> None:
    """The API server reads new policies within a second or so."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_denied_node_is_not_created_until_it_is_admitted(api: KubeApi) -> None:
    """Other nodes are; the message says how it is admitted. Nothing is left of the denial."""
    assert [is_denied(api, "dead.example"), denied_nodes(api)] == [False, frozenset()]
    assert len(deny_node(api, "dead.example")) == 2
    assert deny_node(api, "dead.example") == ()
    eventually(lambda: register(api, "dead.example") is not None)
    assert "sixstack create" in str(register(api, "dead.example"))
    assert register(api, "living") is None
    assert register(api, "dead.example2") is None
    assert [is_denied(api, "dead.example"), denied_nodes(api)] == [True, frozenset({"dead.example"})]
    assert [admit_node(api, "dead.example"), admit_node(api, "dead.example")] == [True, False]
    eventually(lambda: register(api, "dead.example") is None)
    assert denied_nodes(api) == frozenset()


def test_an_existing_node_may_change(api: KubeApi) -> None:
    """Only its creation is denied: the Node is deleted after the denial, and may be updated until then."""
    api.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "changing"}})
    deny_node(api, "changing")
    eventually(lambda: "denied" in str(register(api, "changing")) or "removed" in str(register(api, "changing")))
    api.merge(f"{NODES}/changing", {"metadata": {"labels": {"a": "b"}}})
    api.delete(f"{NODES}/changing")
    admit_node(api, "changing")
