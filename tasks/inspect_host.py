"""Step inspect-host: gather the facts of one host in one round trip; changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

from prefect.futures import PrefectFuture

from cluster.facts.host_facts import HostFacts
from cluster.vocabulary.errors import HostError, HostUnreachable
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import Host
from hosts.detached import await_step
from hosts.facts import gather
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.outcomes import outcome_of
from runs.progress import report_progress
from runs.sessions import session

T = TypeVar("T")
_AWAIT_LIMIT = timedelta(minutes=6)  # more than a reset takes


class Inspection(StepRecord):
    """The record of an inspection, with the facts."""

    facts: HostFacts | None = None


@step("inspect-host", "host.name")
def inspect_host(host: Host, run: RunContext, awaited: Collection[str] = ()) -> HostFacts:
    """Gather the facts of one host; `awaited`: steps whose end on the host is awaited first, when an earlier run left them running."""
    with record_attempt("inspect-host", host.name, run, Inspection) as attempt:
        opened = session(host, run)
        facts = gather(opened, host)
        if running := [state.name for state in facts.steps if state.running and state.name in awaited]:
            report_progress(run, f"{host.name}: waiting for {', '.join(running)} of an earlier run, which is still running")
            for name in running:
                await_step(opened, name, _AWAIT_LIMIT)
            facts = gather(opened, host)
        attempt.extra["facts"] = facts
        attempt.found = f"{facts.os}, {facts.cpus} CPUs, {facts.memory // 2**20} MiB" + (
            f", of cluster {facts.owner}" if facts.owner else ""
        )
        attempt.found += "".join(f"; recorded the host key {key} on first use" for key in opened.first_uses)
    return facts


def inspect_hosts(
    hosts: Sequence[Host], run: RunContext, awaited: Collection[str] = (), *, retries: int | None = None
) -> tuple[dict[str, HostFacts], tuple[Problem, ...]]:
    """The facts of every host that could be inspected, by name, and a problem for each host that could not. All hosts at the same time.

    `retries`: 0 for hosts that are expected not to answer.
    """
    task = inspect_host if retries is None else inspect_host.with_options(retries=retries)
    return inspected({host.name: task.submit(host, run, awaited) for host in hosts})


def inspected(futures: Mapping[str, PrefectFuture[T]]) -> tuple[dict[str, T], tuple[Problem, ...]]:
    """The results of an inspection by host, and a problem for each host that could not be inspected."""
    outcomes = {name: outcome_of(future) for name, future in futures.items()}
    found = {name: outcome.result for name, outcome in outcomes.items() if outcome.succeeded}
    return found, tuple(inspection_problem(name, outcome.error) for name, outcome in outcomes.items() if outcome.error is not None)


def inspection_problem(host: str, error: BaseException) -> Problem:
    """Why a host could not be inspected, as one problem among those of the other hosts."""
    if isinstance(error, HostError | HostUnreachable):
        found, hint = error.found, error.hint
    else:
        found, hint = str(error) or type(error).__name__, ""
    return Problem("host-not-inspected", f"hosts/{host}", found, hint or "fix this and run again")
