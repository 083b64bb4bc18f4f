"""Step inspect-host: everything known of one host, in one round trip; changes nothing."""

from __future__ import annotations

from cluster.facts.host_facts import HostFacts
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import Host
from hosts.facts import gather
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.sessions import session


class Inspection(StepRecord):
    """The record of an inspection, with the facts it gathered."""

    facts: HostFacts | None = None


@step("inspect-host", "host.name")
def inspect_host(host: Host, run: RunContext) -> Inspection:
    """Gather the facts of one host."""
    with record_attempt("inspect-host", host.name, run, Inspection) as attempt:
        facts = gather(session(host, run), host)
        attempt.extra["facts"] = facts
        attempt.found = f"{facts.os}, {facts.cpus} CPUs, {facts.memory // 2**20} MiB" + (
            f", of cluster {facts.owner}" if facts.owner else ""
        )
    return attempt.record


def inspection_problem(host: str, error: BaseException) -> Problem:
    """Why a host could not be looked at, as one problem among those of the hosts that could."""
    found, hint = getattr(error, "found", ""), getattr(error, "do", "")
    return Problem("host-not-inspected", f"hosts/{host}", found or str(error) or type(error).__name__, hint or "mend that, then run again")
