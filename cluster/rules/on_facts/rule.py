"""How a rule about facts is written: a generator of findings, decorated with its stable code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from cluster.facts.host_facts import HostFacts
from cluster.facts.host_paths import Connectivity
from cluster.facts.node_addresses import node_addresses
from cluster.rules.rule import Finding
from cluster.vocabulary.families import Address
from cluster.vocabulary.problems import Problem, Severity
from cluster.vocabulary.spec import ClusterSpec, Host, Role


@dataclass(frozen=True, slots=True)
class Inspected:
    """A cluster file and what is true of its hosts; a host that was not reached has no facts."""

    spec: ClusterSpec
    facts: Mapping[str, HostFacts]
    bundle_architecture: str
    bundle_size: int  # bytes
    connectivity: Connectivity = field(default_factory=Connectivity)

    @property
    def hosts(self) -> tuple[tuple[Host, HostFacts], ...]:
        """Hosts with their facts, in file order."""
        return tuple((host, self.facts[host.name]) for host in self.spec.hosts if host.name in self.facts)

    @property
    def control_plane(self) -> HostFacts | None:
        """Facts of the first control plane."""
        return next((found for host, found in self.hosts if host.role is Role.CONTROL_PLANE), None)

    def ours(self, found: HostFacts) -> bool:
        """This cluster has claimed the host: what it left there, half or whole, is no fault."""
        return found.owner == self.spec.name

    def addresses(self, host: Host) -> tuple[Address, ...]:
        """Its node addresses, as the file or the facts have them."""
        return node_addresses(self.spec, host, self.facts[host.name]) if host.name in self.facts else host.addresses


HostRule = Callable[[Inspected, Host, HostFacts], Iterator[Finding]]
ClusterRule = Callable[[Inspected], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class FactRule:
    """One rule; `explanation` is its docstring and becomes its line in the reference of problems."""

    code: str
    severity: Severity
    explanation: str
    check: ClusterRule


FACT_RULES: list[FactRule] = []


def host_rule(code: str, severity: Severity = Severity.ERROR) -> Callable[[HostRule], HostRule]:
    """Register a rule about each host by itself; its findings are at paths below hosts/NAME."""

    def register(check: HostRule) -> HostRule:
        def on_all(cluster: Inspected) -> Iterator[Finding]:
            for host, found in cluster.hosts:
                for finding in check(cluster, host, found):
                    yield Finding(f"hosts/{host.name}/{finding.at}", finding.says, finding.hint)

        FACT_RULES.append(FactRule(code, severity, (check.__doc__ or "").strip(), on_all))
        return check

    return register


def cluster_rule(code: str, severity: Severity = Severity.ERROR) -> Callable[[ClusterRule], ClusterRule]:
    """Register a rule about the hosts together."""

    def register(check: ClusterRule) -> ClusterRule:
        FACT_RULES.append(FactRule(code, severity, (check.__doc__ or "").strip(), check))
        return check

    return register


def run_fact_rules(cluster: Inspected) -> Iterator[Problem]:
    """Every problem that the registered rules find."""
    for each in FACT_RULES:
        for finding in each.check(cluster):
            yield Problem(each.code, finding.at, finding.says, finding.hint, each.severity)
