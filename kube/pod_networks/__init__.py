"""Installs pod network plug-ins through the API."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from cluster.facts.cluster_state import ClusterState
from cluster.pod_networks.plugins import pod_network
from cluster.pod_networks.recognition import DIGEST_ANNOTATION, KIND_ANNOTATION
from cluster.vocabulary.spec import ClusterSpec
from kube.apply import apply, differences
from kube.client import Document, KubeApi
from kube.pod_networks.documents import WORKLOADS, rendered
from kube.pod_networks.manifests import manifest_documents
from kube.wait import OnChange, wait_rolled_out
from templates import render


def network_documents(spec: ClusterSpec) -> list[Document]:
    """The objects of the spec's plug-in, none for `none`; SpecError for files without valid objects."""
    plugin = pod_network(spec)
    if plugin.from_files:
        return manifest_documents(spec)
    return rendered(render(plugin.template, **plugin.values(spec))) if plugin.template is not None else []


def network_digest(documents: Iterable[Document]) -> str:
    """The sha256 of the documents without Secrets. A difference shows that the installed plug-in is not the one in the spec."""
    open_ones = [document for document in documents if document["kind"] != "Secret"]
    return hashlib.sha256(json.dumps(open_ones, sort_keys=True).encode()).hexdigest()


def install(api: KubeApi, spec: ClusterSpec) -> tuple[str, ...]:
    """Apply the spec's plug-in. Returns one phrase for each created or changed object, none for `none`."""
    documents = network_documents(spec)
    digest = network_digest(documents)
    return apply(api, [_marked(document, spec.cni.kind.value, digest) for document in documents])


def with_network_differences(api: KubeApi, spec: ClusterSpec, state: ClusterState) -> ClusterState:
    """The state with what `install` would change of an installed plug-in. Nothing is compared when the digest already shows that other documents were applied."""
    documents = network_documents(spec)
    digest = network_digest(documents)
    if not documents or state.cni_digest != digest:
        return state
    marked = [_marked(document, spec.cni.kind.value, digest) for document in documents]
    # an owner's files may have secrets in any field
    return replace(state, network_differences=differences(api, marked, values=not pod_network(spec).from_files))


def wait_installed(api: KubeApi, spec: ClusterSpec, limit: timedelta, on_change: OnChange | None = None) -> None:
    """Wait until the newest version of the plug-in and its controllers runs on every node that has joined."""
    end = time.monotonic() + limit.total_seconds()
    for document in network_documents(spec):
        if document["kind"] in WORKLOADS:
            metadata = document["metadata"]
            left = timedelta(seconds=max(1.0, end - time.monotonic()))
            namespace = metadata.get("namespace", "default")
            wait_rolled_out(api, document["kind"], namespace, metadata["name"], limit=left, on_change=on_change)


def network_images(spec: ClusterSpec) -> frozenset[str]:
    """The references of all images of the plug-in's pods; SpecError as in network_documents."""
    if images := pod_network(spec).images(spec):
        return frozenset(images.values())
    return frozenset(reference for document in network_documents(spec) for reference in _images(document))


def _images(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["image"]] if isinstance(value.get("image"), str) else []
        return own + [reference for inner in value.values() for reference in _images(inner)]
    return [reference for inner in value for reference in _images(inner)] if isinstance(value, list) else []


def _marked(document: Document, kind: str, digest: str) -> Document:
    if document["kind"] not in WORKLOADS:
        return document
    metadata = document["metadata"]
    annotations = {**(metadata.get("annotations") or {}), KIND_ANNOTATION: kind, DIGEST_ANNOTATION: digest}
    return {**document, "metadata": {**metadata, "annotations": annotations}}
