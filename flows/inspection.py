"""Looking at all hosts side by side, whatever becomes of any one of them."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.facts.host_facts import HostFacts
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import Host
from runs.context import RunContext
from runs.outcomes import fates
from tasks.inspect_host import Inspection, inspect_host, inspection_problem


def inspect(hosts: Sequence[Host], run: RunContext) -> tuple[dict[str, HostFacts], tuple[Problem, ...]]:
    """The facts of every host that could be inspected, by name, and a problem for each one that could not."""
    found = fates({host.name: inspect_host.submit(host, run) for host in hosts})
    facts = {name: fate.record.facts for name, fate in found.items() if isinstance(fate.record, Inspection) and fate.record.facts}
    return facts, tuple(inspection_problem(name, fate.error) for name, fate in found.items() if fate.error is not None)
