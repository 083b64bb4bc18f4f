"""The probes of a check, as pure functions that need no cluster for their tests. answers.py interprets the answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from cluster.network.checks import CheckKind, Layer
from cluster.network.expected import ExpectedNetwork
from cluster.vocabulary.families import Address, Family, family_of
from kube.client import Document
from kube.network_check.pods import PORT, Endpoint
from kube.network_check.services import MAIN, ProbeService
from kube.network_check.settings import Settings
from kube.nodes import internal_addresses


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe: method, target and expected answer."""

    kind: CheckKind
    layer: Layer
    family: Family
    source: str
    target: str  # for display
    method: str  # a method of templates/probe/probe.sh
    address: str  # the argument of the method
    source_node: str = ""
    target_node: str = ""
    answers: frozenset[str] = frozenset()  # names of pods; one of them must answer
    # the name must resolve to one of these addresses, or the target must see one of them as the source; empty: any address
    addresses: frozenset[Address] = frozenset()
    name: str = ""  # the expected name of the address


@dataclass(frozen=True, slots=True)
class ProbeScope:
    """The pods, services and nodes that the probes of a check cover."""

    endpoints: Sequence[Endpoint]
    services: Sequence[ProbeService]
    namespace: str
    nodes: Sequence[Document]
    pairs: Mapping[str, frozenset[str]]  # node -> the other nodes that it probes
    expected: ExpectedNetwork
    settings: Settings

    @property
    def ordinary(self) -> tuple[Endpoint, ...]:
        """The probe pods without hostNetwork, which are the backends of the services."""
        return tuple(endpoint for endpoint in self.endpoints if not endpoint.host_network)

    @property
    def backends(self) -> frozenset[str]:
        """The names of the pods behind the services."""
        return frozenset(endpoint.pod for endpoint in self.ordinary)

    def pairs_with(self, source: Endpoint, node: str) -> bool:
        """Whether `source` probes `node`: its own node, or a node of its pairs."""
        return node == source.node or node in self.pairs.get(source.node, frozenset())

    def service_name(self, service: ProbeService) -> str:
        """The DNS name of a service, with a final dot to avoid the search list."""
        return f"{service.kind.name}.{self.namespace}.svc.{self.expected.dns_domain}."


def plan_probes(source: Endpoint, scope: ProbeScope) -> list[Probe]:
    """All probes of one source, except the MTU probes, which need a quiet network: see mtu_probes."""
    probes: list[Probe] = []
    for target in scope.endpoints:
        if target.pod != source.pod and scope.pairs_with(source, target.node):
            probes += _to_endpoint(source, target)
            if scope.settings.full and target.host_network and not source.host_network and target.node != source.node:
                probes += _source_addresses(source, target, scope)
    for service in scope.services:
        if service.kind.headless:
            probes += [] if source.host_network else _headless(source, service, scope)
        else:
            probes += _cluster_ips(source, service, scope)
            probes += _node_ports(source, service, scope) if source.host_network else []
        if service.kind == MAIN:
            probes += _names(source, service, scope)
    if not source.host_network:
        probes += [
            Probe(
                CheckKind.OUTSIDE,
                Layer.EGRESS,
                family_of(address),
                source.name,
                f"{address} outside",
                "ping",
                str(address),
                source_node=source.node,
            )
            for address in scope.settings.outside
            if family_of(address) in scope.expected.families
        ]
    return probes


def mtu_probes(source: Endpoint, scope: ProbeScope, lost: Collection[tuple[str, str]] = ()) -> list[Probe]:
    """Probes with packets of the MTU of the pod's interface, from an ordinary pod to the ordinary pods on other nodes.

    `lost` are the paths (source and target as in Probe) that also lose small packets: their MTU cannot be measured.
    """
    probes = [
        endpoint_probe(CheckKind.MTU, Layer.POD_NETWORK, address, source, target, "mtu", str(address))
        for target in scope.ordinary
        if not source.host_network and target.node in scope.pairs.get(source.node, frozenset())
        for address in target.addresses
    ]
    return [probe for probe in probes if (probe.source, probe.target) not in lost]


def endpoint_probe(kind: CheckKind, layer: Layer, address: Address, source: Endpoint, target: Endpoint, method: str, given: str) -> Probe:
    """A probe from a pod to an address of another pod. With the method http, that pod itself must answer."""
    return Probe(
        kind=kind,
        layer=layer,
        family=family_of(address),
        source=source.name,
        target=f"{target.name} {address}",
        method=method,
        address=given,
        source_node=source.node,
        target_node=target.node,
        answers=frozenset({target.pod}) if method == "http" else frozenset(),
    )


def _to_endpoint(source: Endpoint, target: Endpoint) -> list[Probe]:
    # hostNetwork pods use the network of their node
    if source.host_network and target.host_network:
        layer = Layer.NODE_NETWORK
    else:
        layer = Layer.EGRESS if target.host_network else Layer.POD_NETWORK
    return [
        probe
        for address in target.addresses
        for probe in (
            endpoint_probe(CheckKind.PING, layer, address, source, target, "ping", str(address)),
            endpoint_probe(CheckKind.HTTP, layer, address, source, target, "http", url(address, PORT)),
        )
    ]


def _source_addresses(source: Endpoint, target: Endpoint, scope: ProbeScope) -> list[Probe]:
    """The source address that a machine outside of the pod network sees: the node's address with NAT, the pod's address without NAT."""
    of_node = {node["metadata"]["name"]: internal_addresses(node) for node in scope.nodes}[source.node]
    probes = []
    for address in target.addresses:
        family = family_of(address)
        translated = scope.expected.nat.get(family)
        seen = of_node if translated else source.addresses
        probes.append(
            Probe(
                kind=CheckKind.SOURCE_ADDRESS,
                layer=Layer.EGRESS,
                family=family,
                source=source.name,
                target=f"{target.name} {address}",
                method="source",
                address=str(address),
                source_node=source.node,
                target_node=target.node,
                addresses=frozenset() if translated is None else frozenset(own for own in seen if family_of(own) is family),
            )
        )
    return probes


def _cluster_ips(source: Endpoint, service: ProbeService, scope: ProbeScope) -> list[Probe]:
    # one service is enough to check kube-proxy on a node; one pod on each node probes the other kinds
    if source.host_network and service.kind != MAIN:
        return []
    kind, method = (CheckKind.SESSION_AFFINITY, "affinity") if service.kind.affinity else (CheckKind.CLUSTER_IP, "http")
    return [
        Probe(
            kind=kind,
            layer=Layer.SERVICE,
            family=family_of(address),
            source=source.name,
            target=f"service {address} ({service.kind.name})",
            method=method,
            address=url(address, 80),
            source_node=source.node,
            answers=scope.backends,
        )
        for address in service.addresses
    ]


def _node_ports(source: Endpoint, service: ProbeService, scope: ProbeScope) -> list[Probe]:
    return [
        Probe(
            kind=CheckKind.NODE_PORT,
            layer=Layer.SERVICE,
            family=family_of(address),
            source=source.name,
            target=f"node {node['metadata']['name']} {address} port {service.node_port}",
            method="http",
            address=url(address, service.node_port),
            source_node=source.node,
            target_node=node["metadata"]["name"],
            answers=scope.backends,
        )
        for node in scope.nodes
        if service.node_port
        and (scope.pairs_with(source, node["metadata"]["name"]) if service.kind == MAIN else node["metadata"]["name"] == source.node)
        for address in internal_addresses(node)
        if family_of(address) in service.families
    ]


def _names(source: Endpoint, service: ProbeService, scope: ProbeScope) -> list[Probe]:
    name = scope.service_name(service)
    probes = []
    for address in service.addresses:
        family = family_of(address)
        probes.append(
            _dns(
                CheckKind.DNS, source, family, f"{_record(family)} of {name}", "http", f"http://{name}:80/", addresses=frozenset({address})
            )
        )
        if scope.settings.full and not source.host_network:
            probes.append(_dns(CheckKind.REVERSE_DNS, source, family, f"PTR of {address}", "reverse", str(address), name=name))
    return probes


def _headless(source: Endpoint, service: ProbeService, scope: ProbeScope) -> list[Probe]:
    """The name of a headless service must resolve to the addresses of its pods, in the families of the service only."""
    name = scope.service_name(service)
    probes = []
    for family in scope.expected.families:
        pods = frozenset(address for endpoint in scope.ordinary for address in endpoint.addresses if family_of(address) is family)
        method, wanted = ("http", pods) if family in service.families else ("absent", frozenset[Address]())
        target = f"{'' if wanted else 'no '}{_record(family)} of {name}"
        probes.append(_dns(CheckKind.HEADLESS, source, family, target, method, f"http://{name}:{PORT}/", addresses=wanted))
    return probes


def _dns(
    kind: CheckKind,
    source: Endpoint,
    family: Family,
    target: str,
    method: str,
    given: str,
    *,
    addresses: frozenset[Address] = frozenset(),
    name: str = "",
) -> Probe:
    return Probe(kind, Layer.DNS, family, source.name, target, method, given, source_node=source.node, addresses=addresses, name=name)


def _record(family: Family) -> str:
    return "A" if family is Family.IPV4 else "AAAA"


def url(address: Address, port: int) -> str:
    """The http:// URL of an address, with IPv6 in brackets (RFC 3986)."""
    return f"http://[{address}]:{port}/" if address.version == 6 else f"http://{address}:{port}/"
