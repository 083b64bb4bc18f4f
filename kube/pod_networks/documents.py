"""Parses manifests."""

from __future__ import annotations

from cluster.vocabulary.yaml_loader import load_documents
from kube.client import Document

# the kinds that run the pods of a plug-in
WORKLOADS = ("DaemonSet", "Deployment")


def rendered(text: str) -> list[Document]:
    """The objects in a rendered template."""
    return [document for document in load_documents(text) if isinstance(document, dict)]
