"""Name servers that the cluster DNS forwards to."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.facts.host_facts import HostFacts
from cluster.rules.inspected import Inspected
from cluster.rules.registry import host_rule
from cluster.vocabulary.families import Address, Family, StackMode, family_of
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.spec import Host

_HINT = "write the name servers to use as `network: {{dns_upstreams: [{example}]}}`, or fix the resolver of the host"


@host_rule("name-server-on-loopback")
def name_servers_are_not_loopback(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The host has only loopback name servers (127.0.0.53). In a pod, loopback is the pod itself: CoreDNS would query itself, and exits (coredns#2087)."""
    loopback = [server for server in facts.nameservers if server.is_loopback]
    if loopback and len(loopback) == len(facts.nameservers) and not cluster.spec.network.dns_upstreams:
        message = f"the only name server is {_listed(loopback)}, which no pod can reach"
        yield Violation("nameservers", message, _HINT.format(example=_example(cluster.spec.families[0])))


@host_rule("name-server-family")
def an_ipv6_cluster_has_an_ipv6_name_server(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """A host of an IPv6-only cluster has no name server with an IPv6 address, and pods can reach no other (rke2#8685, kind#3114)."""
    reachable = [server for server in facts.nameservers if not server.is_loopback]
    if cluster.spec.stack is not StackMode.IPV6 or not reachable or cluster.spec.network.dns_upstreams:
        return
    if not any(family_of(server) is Family.IPV6 for server in reachable):
        message = f"the name servers are {_listed(reachable)}, which pods of an IPv6-only cluster cannot reach"
        yield Violation("nameservers", message, _HINT.format(example=_example(Family.IPV6)))


@host_rule("no-name-server", Severity.WARNING)
def there_is_a_name_server(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The host has no name server, so pods can resolve only names of the cluster."""
    if not facts.nameservers and not cluster.spec.network.dns_upstreams:
        yield Violation(
            "nameservers",
            "the host has no name server, so pods can resolve only names of the cluster",
            _HINT.format(example=_example(cluster.spec.families[0])),
        )


def _listed(servers: list[Address]) -> str:
    return ", ".join(str(server) for server in servers)


def _example(family: Family) -> str:
    """An address of the documentation ranges (RFC 5737, RFC 3849)."""
    return "192.0.2.53" if family is Family.IPV4 else '"2001:db8::53"'
