"""Server-side apply of any document: the API server merges, and sixstack owns only the fields that it sent."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import groupby

from cluster.facts.cluster_state import ObjectDifference
from cluster.facts.documents import differing_fields
from cluster.vocabulary.errors import ClusterError
from kube.client import APPLY_PATCH, ApiRefused, Document, KubeApi, segment
from kube.wait import wait_established

FIELD_MANAGER = "sixstack"

# kinds that others need go first; the rest keeps its order
FIRST = ("Namespace", "CustomResourceDefinition")

# parallel requests: the server syncs each to its disk, and several in one sync
AT_ONCE = 4


class UnknownKind(ClusterError):
    """The API server does not know a kind."""


def apply(api: KubeApi, documents: Iterable[Document], limit: timedelta = timedelta(seconds=60)) -> tuple[str, ...]:
    """Apply the documents; returns one phrase for each object that was created or changed.

    Namespaces and resource definitions go first, and `apply` waits at most `limit` until the definitions are established.
    Raises ApiRefused (invalid document), ClusterError (a kind that the server does not know), ApiUnavailable.
    """
    ordered = sorted(documents, key=lambda document: FIRST.index(document["kind"]) if document["kind"] in FIRST else len(FIRST))
    resources = Resources(api)
    changes: list[str] = []
    definitions: list[str] = []
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="apply") as pool:
        for kind, group in groupby(ordered, key=lambda document: str(document["kind"])):
            if definitions and kind != "CustomResourceDefinition":
                wait_established(api, definitions, limit)
                definitions = []
            # objects of one kind do not need each other
            these = list(group)
            paths = [resources.path(document) for document in these]
            for phrases in pool.map(lambda path, document: _apply_one(api, path, document), paths, these):
                changes.extend(phrases)
            if kind == "CustomResourceDefinition":
                definitions = [document["metadata"]["name"] for document in these]
    if definitions:
        wait_established(api, definitions, limit)
    return tuple(changes)


def differences(api: KubeApi, documents: Iterable[Document], *, values: bool = True) -> tuple[ObjectDifference, ...]:
    """The fields that `apply` would change; nothing is changed. The API server merges and validates in a dry run.

    Without `values`, and for Secrets, the values are left out. Raises as `apply`, except for a kind that the server does not know: such an
    object does not exist.
    """
    ordered = list(documents)
    resources = Resources(api)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="compare") as pool:
        found = pool.map(lambda document: _differences_of(api, resources, document, values=values), ordered)
        return tuple(difference for differing in found for difference in differing)


class Resources:
    """The API path of each kind; one request for each group and version."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self._known: dict[str, dict[str, Document]] = {}

    def path(self, document: Document) -> str:
        """The path of the object in a document; a namespaced object without a namespace is in `default`."""
        version, kind, metadata = document["apiVersion"], document["kind"], document["metadata"]
        resource = self._resource(version, kind)
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if resource["namespaced"]:
            root += f"/namespaces/{segment(metadata.get('namespace', 'default'))}"
        return f"{root}/{resource['name']}/{segment(metadata['name'])}"

    def _resource(self, version: str, kind: str) -> Document:
        if kind not in self._known.get(version, {}):  # an unknown kind is requested again: its definition may be new
            self._known[version] = self._discover(version)
        try:
            return self._known[version][kind]
        except KeyError:
            raise UnknownKind(f"the cluster does not know {kind} of {version}: apply its definition first") from None

    def _discover(self, version: str) -> dict[str, Document]:
        found = self._api.find(f"/apis/{version}" if "/" in version else f"/api/{version}") or {"resources": []}
        return {resource["kind"]: resource for resource in found["resources"] if "/" not in resource["name"]}


def _apply_one(api: KubeApi, path: str, document: Document) -> tuple[str, ...]:
    before = api.find(path)
    after = _patched(api, path, document)
    if before is None:
        return (f"created {_name(document)}",)
    return (f"changed {_name(document)}",) if _content(before) != _content(after) else ()


def _differences_of(api: KubeApi, resources: Resources, document: Document, *, values: bool) -> list[ObjectDifference]:
    name = _name(document)
    try:
        path = resources.path(document)
    except UnknownKind:
        return [ObjectDifference(name, "", "exists", "missing")]
    before = api.find(path)
    if before is None:
        return [ObjectDifference(name, "", "exists", "missing")]
    after = _patched(api, path, document, dryRun="All")
    open_values = values and document["kind"] != "Secret"
    return [
        ObjectDifference(name, field, *((expected, actual) if open_values else ("as applied", "other")))
        for field, expected, actual in differing_fields(_content(after), _content(before))
    ]


def _patched(api: KubeApi, path: str, document: Document, **query: str) -> Document:
    """The object after the patch."""
    query = {"fieldManager": FIELD_MANAGER, "force": "true", **query}
    try:
        return api.request("PATCH", path, query=query, body=document, content_type=APPLY_PATCH)
    except ApiRefused as refusal:
        raise ApiRefused(f"apply {_name(document)}", refusal.status, refusal.reason, refusal.message) from refusal


def _name(document: Document) -> str:
    metadata = document["metadata"]
    return f"{document['kind']} {'/'.join(part for part in (metadata.get('namespace'), metadata['name']) if part)}"


def _content(document: Document) -> Document:
    """The content of an object without the fields that the API server and controllers maintain; those change without a change of content."""
    bookkeeping = ("resourceVersion", "managedFields", "generation")
    metadata = {key: value for key, value in document["metadata"].items() if key not in bookkeeping}
    # the server writes it for each generation of a DaemonSet
    annotations = {
        key: value for key, value in (metadata.get("annotations") or {}).items() if key != "deprecated.daemonset.template.generation"
    }
    metadata["annotations"] = annotations or None
    return {**document, "metadata": metadata, "status": None}
