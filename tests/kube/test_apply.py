"""Server-side apply on a real API server."""

from __future__ import annotations

import pytest

from cluster.vocabulary.errors import ClusterError
from kube.apply import apply, differences
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


def test_an_equal_object_is_not_a_change(api: KubeApi) -> None:
    """The phrases for created, equal, changed and equal objects, which the audit record contains."""
    assert apply(api, [settings("one", a="1"), NAMESPACE]) == ("created Namespace apply", "created ConfigMap apply/one")
    assert apply(api, [settings("one", a="1"), NAMESPACE]) == ()
    assert apply(api, [settings("one", a="2")]) == ("changed ConfigMap apply/one",)
    assert apply(api, [settings("one", a="2")]) == ()


def test_omitted_fields_are_removed_and_fields_of_others_stay(api: KubeApi) -> None:
    """The server stores the manager of each field."""
    apply(api, [NAMESPACE, settings("two", ours="1", more="1")])
    api.merge("/api/v1/namespaces/apply/configmaps/two", {"data": {"theirs": "1"}})
    apply(api, [settings("two", ours="1")])
    assert api.get("/api/v1/namespaces/apply/configmaps/two")["data"] == {"ours": "1", "theirs": "1"}


def test_a_definition_is_established_before_its_objects(api: KubeApi) -> None:
    """In any order in the files."""
    pool: Document = {"apiVersion": "example.org/v1", "kind": "Pool", "metadata": {"name": "one"}, "spec": {"size": 1}}
    assert apply(api, [pool, POOLS]) == ("created CustomResourceDefinition pools.example.org", "created Pool one")
    assert api.get("/apis/example.org/v1/pools/one")["spec"] == {"size": 1}


def test_an_unknown_kind_is_reported(api: KubeApi) -> None:
    """The error reports the missing definition."""
    with pytest.raises(ClusterError, match=r"does not know Lake of example\.org/v1"):
        apply(api, [{"apiVersion": "example.org/v1", "kind": "Lake", "metadata": {"name": "one"}}])


def test_an_invalid_document_is_refused_with_its_name(api: KubeApi) -> None:
    """With the message of the server."""
    with pytest.raises(ApiRefused, match=r"apply ConfigMap apply/A_b: 422 Invalid.*lowercase") as caught:
        apply(api, [NAMESPACE, settings("A_b")])
    assert caught.value.status == 422


def test_differences_are_what_apply_would_change(api: KubeApi) -> None:
    """Changed and missing objects, field by field; fields of others are none; nothing is changed, and apply then leaves no difference."""
    wanted = [NAMESPACE, settings("compared", a="1", b="2"), settings("absent", a="1")]
    apply(api, wanted[:2])
    api.merge("/api/v1/namespaces/apply/configmaps/compared", {"data": {"a": "changed", "theirs": "x"}})
    found = differences(api, wanted)
    assert [(each.object, each.field, each.expected, each.actual) for each in found] == [
        ("ConfigMap apply/compared", "data.a", "1", "changed"),
        ("ConfigMap apply/absent", "", "exists", "missing"),
    ]
    assert api.get("/api/v1/namespaces/apply/configmaps/compared")["data"]["a"] == "changed"
    assert api.find("/api/v1/namespaces/apply/configmaps/absent") is None
    apply(api, wanted)
    assert differences(api, wanted) == ()


def test_differences_of_secrets_have_no_values(api: KubeApi) -> None:
    """Nor do those of an owner's files."""
    secret: Document = {**settings("hidden"), "kind": "Secret", "data": {"key": "c2VjcmV0"}}
    apply(api, [NAMESPACE, secret, settings("hidden", a="1")])
    changed = {**secret, "data": {"key": "b3RoZXI="}}
    texts = str(differences(api, [changed])) + str(differences(api, [settings("hidden", a="open")], values=False))
    assert "data.key" in texts
    assert "data.a" in texts
    assert not [value for value in ("c2VjcmV0", "b3RoZXI=", "open") if value in texts]


def test_an_object_of_an_unknown_kind_is_missing(api: KubeApi) -> None:
    """Its definition was removed."""
    (found,) = differences(api, [{"apiVersion": "gone.example.org/v1", "kind": "Thing", "metadata": {"name": "x"}}])
    assert (found.object, found.actual) == ("Thing x", "missing")
