"""The text of manifests as documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from kube.client import Document

if TYPE_CHECKING:
    from yaml import SafeLoader as Loader
else:
    # the C loader is ten times quicker, and resource definitions are long
    Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# what a plug-in consists of at run time
WORKLOADS = ("DaemonSet", "Deployment")


class _PlainLoader(Loader):
    """YAML without dates, which JSON has not: what looks as one is a text."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in Loader.yaml_implicit_resolvers.items()
}


def parse(text: str) -> list[object]:
    """Every document that is not empty; yaml.YAMLError for what is no YAML."""
    return [document for document in yaml.load_all(text, Loader=_PlainLoader) if document is not None]


def rendered(text: str) -> list[Document]:
    """The objects of a template of ours."""
    return [document for document in parse(text) if isinstance(document, dict)]
