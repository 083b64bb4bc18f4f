"""Server-side apply on a real API server."""

from __future__ import annotations

import pytest

from cluster.vocabulary.errors import ClusterError
from kube.apply import apply
from kube.client import ApiRefused, Document, KubeApi

pytestmark = pytest.mark.bundle

POOLS: Document = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "pools.example.org"},
    "spec": {
        "group": "example.org",
        "names": {"kind": "Pool", "plural": "pools"},
        "scope": "Cluster",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def settings(name: str, **data: str) -> Document:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "apply"}, "data": data}


NAMESPACE: Document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "apply"}}


def test_what_is_there_already_is_no_change(api: KubeApi) -> None:
    """Created, nothing, changed, nothing: the phrases are what the audit record says was done."""
    assert apply(api, [settings("one", a="1"), NAMESPACE]) == ("created Namespace apply", "created ConfigMap apply/one")
    assert apply(api, [settings("one", a="1"), NAMESPACE]) == ()
    assert apply(api, [settings("one", a="2")]) == ("changed ConfigMap apply/one",)
    assert apply(api, [settings("one", a="2")]) == ()


def test_fields_of_others_stay_and_ours_go_when_left_out(api: KubeApi) -> None:
    """The server knows who set what."""
    apply(api, [NAMESPACE, settings("two", ours="1", more="1")])
    api.merge("/api/v1/namespaces/apply/configmaps/two", {"data": {"theirs": "1"}})
    apply(api, [settings("two", ours="1")])
    assert api.get("/api/v1/namespaces/apply/configmaps/two")["data"] == {"ours": "1", "theirs": "1"}


def test_a_definition_is_waited_for_before_its_objects(api: KubeApi) -> None:
    """Whatever the order in the files."""
    pool: Document = {"apiVersion": "example.org/v1", "kind": "Pool", "metadata": {"name": "one"}, "spec": {"size": 1}}
    assert apply(api, [pool, POOLS]) == ("created CustomResourceDefinition pools.example.org", "created Pool one")
    assert api.get("/apis/example.org/v1/pools/one")["spec"] == {"size": 1}


def test_a_kind_nobody_serves_is_named(api: KubeApi) -> None:
    """Its definition is missing, and the error says so."""
    with pytest.raises(ClusterError, match=r"does not know Lake of example\.org/v1"):
        apply(api, [{"apiVersion": "example.org/v1", "kind": "Lake", "metadata": {"name": "one"}}])


def test_an_invalid_document_is_refused_with_its_name(api: KubeApi) -> None:
    """The server's message goes through."""
    with pytest.raises(ApiRefused, match=r"apply ConfigMap apply/A_b: 422 Invalid.*lowercase") as caught:
        apply(api, [NAMESPACE, settings("A_b")])
    assert caught.value.status == 422
