"""Reads Cluster and Machine documents from files: YAML or JSON, several per file, lists of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cluster.vocabulary.quoting import quoted
from importers.fields import Fields, child_path
from importers.report import Report
from importers.sources import Source, read_documents

API = "platform.tkestack.io/v1"
# the list kinds of kubectl and of the API server
_LISTS = {("v1", "List"), (API, "ClusterList"), (API, "MachineList")}


class Kind(StrEnum):
    """The kinds that an import reads."""

    CLUSTER = "Cluster"
    MACHINE = "Machine"


@dataclass(frozen=True, slots=True)
class Resource:
    """One Cluster or Machine document."""

    kind: Kind
    fields: Fields

    @property
    def spec(self) -> Fields:
        """The spec."""
        return self.fields.section("spec")

    @property
    def metadata(self) -> Fields:
        """The metadata."""
        return self.fields.section("metadata")

    @property
    def name(self) -> str:
        """metadata.name; "" if the server would generate it."""
        return self.metadata.text("name")


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of all files."""

    resources: tuple[Resource, ...]
    lines: Mapping[str, int]  # path -> line of its file


def read_sources(sources: Sequence[Source], report: Report) -> Documents:
    """The Cluster and Machine documents of all files, in order; anything else in them is an error."""
    found: list[Resource] = []
    lines: dict[str, int] = {}
    for source in sources:
        for path, data in read_documents(source, report, lines):
            found += _resources(data, path, report)
    return Documents(tuple(found), lines)


def _resources(data: object, path: str, report: Report) -> Iterator[Resource]:
    if not isinstance(data, dict):
        hint = f"Pass a file with Cluster or Machine documents of {API}."
        report.fault("document-kind", path.removesuffix(": "), "this is not a Kubernetes document", hint)
        return
    fields = Fields(data, path, report)
    version, kind = fields.text("apiVersion"), fields.text("kind")
    if (version, kind) in _LISTS:
        for item in fields.sections("items"):
            yield from _resources(item.data, item.path, report)
    elif version == API and kind in tuple(Kind):
        report.taken(child_path(path, "apiVersion"), "a cluster file")
        report.taken(child_path(path, "kind"), "a cluster file" if kind == Kind.CLUSTER else "hosts[]")
        yield Resource(Kind(kind), fields)
    else:
        message = f"{quoted(kind)} of {quoted(version)} is neither Cluster nor Machine of {API}" if kind else "kind is missing"
        report.fault(
            "document-kind", path.removesuffix(": "), message, "Remove this document: an import reads Cluster and Machine documents."
        )
