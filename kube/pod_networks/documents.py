"""Parses manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from kube.client import Document

if TYPE_CHECKING:
    from yaml import SafeLoader as Loader
else:
    # the C loader is ten times faster, and resource definitions are long
    Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# the kinds that run the pods of a plug-in
WORKLOADS = ("DaemonSet", "Deployment")


class _PlainLoader(Loader):
    """YAML without dates, which JSON does not have: a date is read as a string."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in Loader.yaml_implicit_resolvers.items()
}


def parse(text: str) -> list[object]:
    """All documents that are not empty; yaml.YAMLError for invalid YAML."""
    return [document for document in yaml.load_all(text, Loader=_PlainLoader) if document is not None]


def rendered(text: str) -> list[Document]:
    """The objects in a rendered template."""
    return [document for document in parse(text) if isinstance(document, dict)]
