"""The `cluster` parameter of a flow: the name of a saved cluster, the text of a cluster file, or its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

# blocks are imported where one is loaded, because a command may need no more than the name (cli/required_server.py)
from cluster.file.document import parse_document
from cluster.file.reader import Reading, read_document, read_text
from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.quoting import quoted


@dataclass(frozen=True)
class GivenCluster:
    """A cluster file as a flow got it, not validated yet."""

    document: Any  # plain data
    saved_as: str | None = None  # name of the Saved cluster block
    text: str = ""  # YAML or JSON, when the cluster was given as text

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the document; the name of a saved cluster is that of its block. {} for anything but a mapping."""
        fields = dict(self.document) if isinstance(self.document, Mapping) else {}
        return fields if self.saved_as is None else {**fields, "name": self.saved_as}

    def read(self) -> Reading:
        """The spec, or all problems."""
        return read_text(self.text, saved_as=self.saved_as) if self.text else read_document(self.document)


def given_cluster(cluster: Any) -> GivenCluster:
    """The document of a `cluster` parameter. NoBlock when there is no saved cluster of that name, SpecError when it cannot be a name."""
    if not isinstance(cluster, str):
        return GivenCluster(cluster)
    if _is_text(cluster):
        return given_text(cluster)
    require_name(cluster)
    return saved_cluster(cluster)


def require_name(text: str) -> None:
    """SpecError when a text cannot be the name of a saved cluster."""
    if not _is_block_name(text):
        hint = "write the name of a saved cluster (the deployment save-cluster or `sixstack save FILE` saves one), or the text of a cluster file"
        raise SpecError([Problem("malformed", "cluster", f"{quoted(text)} is not the name of a saved cluster", hint)])


def given_cluster_to_verify(cluster: Any, file: Any = None) -> GivenCluster | None:
    """The cluster file of a network check: `file`, else the given or saved cluster; None when only a kubeconfig can have the name."""
    if file is not None:
        return given_text(file) if isinstance(file, str) else GivenCluster(file)
    if not isinstance(cluster, str):
        return GivenCluster(cluster)
    if _is_text(cluster):
        return given_text(cluster)
    from blocks.loading import NoBlock

    try:
        return saved_cluster(cluster) if _is_block_name(cluster) else None
    except NoBlock:
        return None


def saved_cluster(name: str) -> GivenCluster:
    """The cluster file of a Saved cluster block; NoBlock when there is none."""
    from blocks.loading import load
    from blocks.saved_cluster import SavedCluster

    text = load(SavedCluster, name).file
    return GivenCluster(parse_document(text).data, name, text)


def given_text(cluster: Any) -> GivenCluster:
    """The document of a `cluster` parameter that has the text of a cluster file, or its fields."""
    import yaml

    text = cluster if isinstance(cluster, str) else yaml.safe_dump(cluster, sort_keys=False, allow_unicode=True, width=120)
    return GivenCluster(parse_document(text).data, text=text)


def is_name(cluster: Any) -> TypeGuard[str]:
    """Whether a `cluster` parameter is a name, well-formed or not, and no cluster file."""
    return isinstance(cluster, str) and not _is_text(cluster)


def _is_text(cluster: str) -> bool:
    """A text of YAML or JSON with a field has a colon, which no name has."""
    return ":" in cluster


def _is_block_name(text: str) -> bool:
    return text.isascii() and text.replace("-", "").isalnum() and text == text.lower() and not text.startswith("-")
