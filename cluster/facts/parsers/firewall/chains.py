"""Evaluate a packet filter for new packets from other hosts, for all ports at once.

A port counts as closed only if a rule or policy certainly drops its packets. With an unsupported condition (a source, an interface, a rate)
a drop is uncertain and ignored, and an accept counts as certain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise

from cluster.facts.host_facts import PortRange
from cluster.vocabulary.families import Family

Ports = tuple[tuple[int, int], ...]  # both ends included
ALL_PORTS: Ports = ((0, 65535),)
PROTOCOLS = ("tcp", "udp")
EVERYTHING = tuple(PortRange(protocol, 0, 65535) for protocol in PROTOCOLS)


class Verdict(Enum):
    """The verdict of a rule."""

    ACCEPT = "accept"
    DROP = "drop"
    JUMP = "jump"
    GOTO = "goto"
    RETURN = "return"
    NONE = "none"  # counts, logs, marks


@dataclass(frozen=True, slots=True)
class Condition:
    """Which new packets from another host a rule matches."""

    families: frozenset[Family] = frozenset(Family)
    protocols: frozenset[str] = frozenset(PROTOCOLS)
    ports: Ports = ALL_PORTS
    never: bool = False  # matches only loopback, established connections or other protocols
    uncertain: bool = False  # has other conditions too

    def matches(self, packet: Packet) -> bool | None:
        """Whether the condition matches; None: uncertain."""
        if self.never or packet.family not in self.families or packet.protocol not in self.protocols:
            return False
        if not any(first <= packet.port <= last for first, last in self.ports):
            return False
        return None if self.uncertain else True

    def both(self, other: Condition) -> Condition:
        """The conjunction of both conditions."""
        ports = tuple((max(a, c), min(b, d)) for a, b in self.ports for c, d in other.ports if max(a, c) <= min(b, d))
        return Condition(
            self.families & other.families,
            self.protocols & other.protocols,
            ports,
            self.never or other.never,
            self.uncertain or other.uncertain,
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    condition: Condition
    verdict: Verdict
    target: str = ""  # chain of a jump or goto


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a connection."""

    family: Family
    protocol: str
    port: int


@dataclass
class Chain:
    """A chain. Base chains have a policy."""

    name: str
    rules: list[Rule] = field(default_factory=list)
    policy: Verdict = Verdict.ACCEPT


Chains = Mapping[str, Chain]


def outside(ports: Ports) -> Ports:
    """The complement of the ports."""
    rest: list[tuple[int, int]] = []
    start = 0
    for first, last in sorted(ports):
        if start < first:
            rest.append((start, first - 1))
        start = max(start, last + 1)
    return tuple([*rest, (start, 65535)] if start <= 65535 else rest)


def closed_ports(chain: Chain, chains: Chains, family: Family) -> tuple[PortRange, ...]:
    """Ports of each protocol whose packets this chain certainly drops. `chains`: all chains of the table."""
    # all ports between two ports in rules have the same verdict
    edges = sorted({0, 65536} | {edge for port_range in _named_ports(chains) for edge in (port_range[0], port_range[1] + 1)})
    closed: list[PortRange] = []
    for protocol in PROTOCOLS:
        for first, beyond in pairwise(edges):
            if _outcome(chain, chains, Packet(family, protocol, first)) is not Verdict.DROP:
                continue
            if closed and closed[-1].protocol == protocol and closed[-1].last == first - 1:
                closed[-1] = PortRange(protocol, closed[-1].first, beyond - 1)
            else:
                closed.append(PortRange(protocol, first, beyond - 1))
    return tuple(closed)


def _named_ports(chains: Chains) -> Iterator[tuple[int, int]]:
    for chain in chains.values():
        for rule in chain.rules:
            yield from rule.condition.ports


def _outcome(chain: Chain, chains: Chains, packet: Packet) -> Verdict:
    return _walk(chain.rules, chains.get, packet, depth=0) or chain.policy


def _walk(rules: Sequence[Rule], chain_named: Callable[[str], Chain | None], packet: Packet, *, depth: int) -> Verdict | None:
    """ACCEPT or DROP when a rule decides; None to continue in the calling chain."""
    if depth > 16:  # the kernel's limit of jumps
        return None
    for rule in rules:
        matches = rule.condition.matches(packet)
        if matches is False or rule.verdict is Verdict.NONE:
            continue
        outcome: Verdict | None = rule.verdict
        if rule.verdict in (Verdict.JUMP, Verdict.GOTO):
            called = chain_named(rule.target)
            outcome = _walk(called.rules, chain_named, packet, depth=depth + 1) if called else None
        if outcome is Verdict.ACCEPT or (outcome is Verdict.DROP and matches):
            return outcome
        if rule.verdict in (Verdict.GOTO, Verdict.RETURN) and matches:
            return None
    return None
