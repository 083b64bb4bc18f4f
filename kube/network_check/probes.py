"""Which paths are tried and what an answer means: pure, so that each verdict can be tested without a cluster."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from cluster.families import Address, Family, family_of
from cluster.network_report import Check, CheckKind, Layer
from kube.client import Document
from kube.network_check.pods import Endpoint, ProbeService
from kube.nodes import internal_addresses


@dataclass(frozen=True, slots=True)
class Probe:
    """One try: how, to what, and what must come back."""

    kind: CheckKind
    layer: Layer
    family: Family
    source: str
    target: str  # for people
    address: str  # what ping or curl is given
    answers: frozenset[str] = frozenset()  # names of the pods one of which must answer; empty for ping
    resolves_to: Address | None = None  # what a name must resolve to


def plan_probes(
    source: Endpoint, endpoints: Sequence[Endpoint], service: ProbeService, nodes: Sequence[Document], dns_domain: str
) -> list[Probe]:
    """All probes of one source: every other endpoint, every node's NodePort, the service's addresses and its name, in each family."""
    probes: list[Probe] = []
    for target in endpoints:
        if target.pod != source.pod:
            probes += _to_endpoint(source, target, service.port)
    behind = frozenset(endpoint.pod for endpoint in endpoints if not endpoint.host_network)
    for node in nodes if source.host_network else ():
        for address in internal_addresses(node):
            probes.append(
                Probe(
                    CheckKind.NODE_PORT,
                    Layer.SERVICE,
                    family_of(address),
                    source.name,
                    f"node {node['metadata']['name']} port {service.node_port}",
                    _url(address, service.node_port),
                    behind,
                )
            )
    name = f"probe.{service.namespace}.svc.{dns_domain}"
    for address in service.addresses:
        family = family_of(address)
        record = "A" if family is Family.IPV4 else "AAAA"
        probes.append(Probe(CheckKind.CLUSTER_IP, Layer.SERVICE, family, source.name, f"service {address}", _url(address, 80), behind))
        # the dot at the end: no search list
        probes.append(Probe(CheckKind.DNS, Layer.DNS, family, source.name, f"{record} of {name}", f"http://{name}.:80/", behind, address))
    return probes


def written(probes: Sequence[Probe]) -> str:
    """The lines that templates/probe/probe.sh reads."""
    lines = [
        f"{number} {'ping' if probe.kind is CheckKind.PING else 'http'} {4 if probe.family is Family.IPV4 else 6} {probe.address}"
        for number, probe in enumerate(probes)
    ]
    return "\n".join([*lines, "end", ""])


def judge(probes: Sequence[Probe], output: str, silence: str) -> list[Check]:
    """What the script's output says of each probe; `silence` is the detail of those it says nothing of."""
    said: dict[int, tuple[int, str]] = {}
    for line in output.splitlines():
        number, code, _tries, *text = line.split(" ", 3)
        said[int(number)] = int(code), text[0] if text else ""
    checks = []
    for position, probe in enumerate(probes):
        detail = _fault(probe, *said[position]) if position in said else silence
        checks.append(Check(probe.kind, probe.family, probe.source, probe.target, probe.layer, not detail, detail))
    return checks


def _to_endpoint(source: Endpoint, target: Endpoint, port: int) -> list[Probe]:
    # hostNetwork pods use their node's own network; a pod on either end brings the pod network in
    layer = Layer.NODE_NETWORK if source.host_network and target.host_network else Layer.POD_NETWORK
    return [
        probe
        for address in target.addresses
        for probe in (
            Probe(CheckKind.PING, layer, family_of(address), source.name, f"{target.name} {address}", str(address)),
            Probe(
                CheckKind.HTTP,
                layer,
                family_of(address),
                source.name,
                f"{target.name} {address}",
                _url(address, port),
                frozenset({target.pod}),
            ),
        )
    ]


def _url(address: Address, port: int) -> str:
    return f"http://[{address}]:{port}/" if address.version == 6 else f"http://{address}:{port}/"


def _fault(probe: Probe, code: int, text: str) -> str:
    """What is wrong with an answer, "" when nothing is."""
    if probe.kind is CheckKind.PING:
        return "" if code == 0 else _ping_fault(text)
    if probe.resolves_to is not None:
        return _name_fault(probe.resolves_to, code, text)
    if code != 0:
        return text.strip().removeprefix("curl: ") or f"curl ended with {code}"
    answered = text.split(" ", 1)[0]
    return "" if answered in probe.answers else f"{answered!r} answered, which is somebody else"


def _name_fault(wanted: Address, code: int, text: str) -> str:
    """Judges the look-up alone: that the service then does not answer is said by its own probe."""
    if code == 6 or "Resolving timed out" in text or "Could not resolve" in text:
        return text.strip().removeprefix("curl: ")
    resolved = _last_address(text)
    if code == 0 and resolved != wanted:
        return f"resolved to {resolved}, the service's address is {wanted}"
    return ""


def _last_address(text: str) -> Address | None:
    word = text.rsplit(" ", maxsplit=1)[-1].strip("[]")
    try:
        return ip_address(word)
    except ValueError:
        return None


def _ping_fault(text: str) -> str:
    loss = re.search(r"\d+% packet loss", text)
    return f"no answer ({loss[0]})" if loss else text[:200] or "no answer"
