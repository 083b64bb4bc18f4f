"""Address ranges of other tools' files."""

from __future__ import annotations

from cluster.file.literals import read_network
from cluster.vocabulary.families import Network
from importers.report import Report


def read_range(report: Report, path: str, text: str, to: str) -> Network | None:
    """A network at a path, which goes to the field `to`; None after a fault."""
    network, fault = read_network(text.strip())
    if network is not None and fault is not None:
        report.changed(path, f"{to}: {network}", f"{text.strip()} has host bits set")
    elif fault is not None:
        report.fault(fault.code, path, fault.message, fault.hint)
    else:
        report.taken(path, to)
    report.set_origin(to, path)
    return network
