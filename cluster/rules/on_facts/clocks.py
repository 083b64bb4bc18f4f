"""The clocks of the hosts and of the machine of the Prefect worker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from statistics import median_low

from cluster.facts.host_facts import HostFacts
from cluster.rules.inspected import Inspected
from cluster.rules.registry import cluster_rule, host_rule
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.spec import Host

CLOCK_TOLERANCE = timedelta(seconds=30)
_WORKER = ""  # offsets are relative to its clock
_HINT = "run a time service on {who}: `timedatectl set-ntp true`, then check `timedatectl timesync-status`"


@cluster_rule("clock-off")
def clocks_agree(cluster: Inspected) -> Iterator[Violation]:
    """A clock differs from the others by more than 30 s. Certificates could be expired or not yet valid. The machine of the Prefect worker counts as
    one clock: most clocks are taken to be right, and in a tie the worker's."""
    if not cluster.hosts:
        return
    offsets = {_WORKER: timedelta()} | {host.name: facts.clock_offset for host, facts in cluster.hosts}
    uncertain = {host.name: facts.clock_uncertainty for host, facts in cluster.hosts}
    right = _largest_group(offsets)
    reference = offsets[_WORKER] if _WORKER in right else median_low(offsets[name] for name in right)
    for host, facts in cluster.hosts:
        off = facts.clock_offset - reference
        # half the round trip is the largest error of a measured offset
        if abs(off) > CLOCK_TOLERANCE + uncertain[host.name]:
            peers = [name for name in right if name != _WORKER]
            others = " and ".join(
                [
                    *([f"{len(peers)} other hosts" if len(peers) > 1 else peers[0]] if peers else []),
                    *(["the worker"] if _WORKER in right else []),
                ]
            )
            message = f"the clock is {_in_words(abs(off))} {_direction(off)} the clock of {others}"
            who = f"{host.name} and on the machine of the worker" if right == [_WORKER] else "the host"
            yield Violation(f"hosts/{host.name}/clock", message, _HINT.format(who=who))
    largest = max(uncertain[name] for name in uncertain)
    if _WORKER not in right and abs(reference) > CLOCK_TOLERANCE + largest:
        message = (
            f"the clocks of {', '.join(right)} agree, and are {_in_words(abs(reference))} {_direction(reference)} the clock of the worker"
        )
        yield Violation("worker/clock", message, _HINT.format(who="the machine of the worker, or on all hosts if their clocks are wrong"))


def _largest_group(offsets: dict[str, timedelta]) -> list[str]:
    """The names of the most clocks that agree. In a tie, the group with the worker."""
    ordered = sorted(offsets, key=lambda name: offsets[name])
    best: list[str] = []
    last = 0
    for first, name in enumerate(ordered):
        while last < len(ordered) and offsets[ordered[last]] - offsets[name] <= CLOCK_TOLERANCE:
            last += 1
        size = last - first
        if size > len(best) or (size == len(best) and _WORKER not in best and _WORKER in ordered[first:last]):
            best = ordered[first:last]
    return best


def _direction(off: timedelta) -> str:
    return "ahead of" if off > timedelta() else "behind"


def _in_words(off: timedelta) -> str:
    seconds = off.total_seconds()
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


@host_rule("ca-not-valid-now")
def authority_is_valid_at_the_hosts_clock(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The certificate authority of the cluster is not yet valid, or expired, by the clock of its host. No component can connect."""
    state = facts.kubernetes
    if not cluster.owns(facts) or facts.clock is None:
        return
    if state.ca_valid_from is not None and facts.clock < state.ca_valid_from:
        message = f"the clock is {facts.clock:%Y-%m-%d %H:%M}, but the certificate authority is valid from {state.ca_valid_from:%Y-%m-%d %H:%M} (UTC)"
        yield Violation(
            "clock",
            message,
            "correct the clock of the host; if the clock is right, the authority was made with a wrong clock: create the cluster again",
        )
    elif state.ca_valid_until is not None and facts.clock > state.ca_valid_until:
        message = f"the clock is {facts.clock:%Y-%m-%d %H:%M}, but the certificate authority was valid until {state.ca_valid_until:%Y-%m-%d %H:%M} (UTC)"
        yield Violation("clock", message, "correct the clock of the host; if the clock is right, create the cluster again")
