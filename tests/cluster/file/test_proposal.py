"""Cluster files that are proposed from the facts of machines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv6Network, ip_address, ip_interface, ip_network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.facts.host_facts import HostFacts, InterfaceAddress, Route
from cluster.file.proposal import Choices, Machine, Proposal, families_of_machines, propose
from cluster.file.reader import read_text
from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.families import Family, StackMode
from cluster.vocabulary.spec import SSH, ClusterSpec
from tests.cluster.conftest import FactsMaker

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBqvnZS2eVUvBbLnbNYwNGqQSdPVqsLW5GzBkeyM3b0e"
IDS = (bytes.fromhex("5a17e0b401"), bytes.fromhex("5a17e0b402"))
DUAL_STACK = Choices("demo", StackMode.DUAL_STACK)


def machine(facts: HostFacts, address: str = "", **changes: object) -> Machine:
    """A machine that is reached over IPv4."""
    return Machine(SSH(address=address or str(facts.links[0].addresses[0].address), credential="default", host_key=KEY, **changes), facts)


def proposed(machines: Iterable[Machine], choices: Choices = DUAL_STACK) -> Proposal:
    """What is proposed with these random numbers."""
    return propose(tuple(machines), choices, iter(IDS))


def spec_of(proposal: Proposal) -> ClusterSpec:
    """The cluster of a file in which check finds nothing."""
    reading = read_text(proposal.text)
    assert reading.problems == (), proposal.text
    assert reading.spec is not None
    return reading.spec


@pytest.mark.parametrize("stack", StackMode)
@pytest.mark.parametrize("primary", Family)
@pytest.mark.parametrize("pod_network", [CniKind.FLANNEL, CniKind.CALICO, CniKind.NONE])
def test_check_finds_nothing_in_a_proposed_file(some_facts: FactsMaker, stack: StackMode, primary: Family, pod_network: CniKind) -> None:
    """In every stack mode; the rules find nothing on the machines either."""
    choices = Choices("demo", stack, primary, pod_network)
    proposal = proposed([machine(some_facts(1)), machine(some_facts(2))], choices)
    spec = spec_of(proposal)
    assert proposal.in_file == proposal.on_hosts == ()
    assert (spec.families, spec.cni.kind) == (choices.families, pod_network)
    assert [(host.name, host.role) for host in spec.hosts] == [("node-1", "control-plane"), ("node-2", "worker")]
    by_family = {Family.IPV4: ip_address("198.18.0.12"), Family.IPV6: ip_address("fd66::12")}
    assert spec.hosts[1].addresses == tuple(by_family[family] for family in choices.families)


def test_ipv6_ranges_are_subnets_of_a_random_prefix(some_facts: FactsMaker) -> None:
    """A prefix that a machine reaches is not used; the file names RFC 4193."""
    found = spec_of(proposed([machine(some_facts())]))
    assert str(found.network.pods[1].cidr) == "fd5a:17e0:b401::/56"
    assert str(found.network.services[1]) == "fd5a:17e0:b401:ff00::/112"
    used = some_facts(routes=(Route(ip_network("fd5a:17e0:b401:7::/64"), "eth0"),))
    proposal = proposed([machine(used)])
    assert str(spec_of(proposal).network.pods[1].cidr) == "fd5a:17e0:b402::/56"
    assert "RFC 4193" in proposal.text


@pytest.mark.parametrize(
    ("routes", "pods", "services"),
    [
        ((), "10.244.0.0/16", "10.96.0.0/16"),
        (("10.244.9.0/24", "10.96.0.0/12"), "10.245.0.0/16", "172.16.0.0/16"),
        (("10.0.0.0/8",), "172.16.0.0/16", "172.16.0.0/16"),
    ],
)
def test_ipv4_ranges_are_networks_of_no_machine(some_facts: FactsMaker, routes: tuple[str, ...], pods: str, services: str) -> None:
    """Nor what docker and others use by default. Pods and services do not overlap."""
    facts = some_facts(routes=tuple(Route(ip_network(route), "eth0", ip_address("198.18.0.1")) for route in routes))
    proposal = proposed([machine(facts)], Choices("demo", StackMode.IPV4))
    spec = spec_of(proposal)
    assert str(spec.network.pods[0].cidr) == pods
    if pods != services:
        assert str(spec.network.services[0]) == services
    assert not spec.network.pods[0].cidr.overlaps(ip_network("172.17.0.0/16"))
    assert [problem.code for problem in proposal.on_hosts if "range" in problem.code] in ([], ["range-in-host-network"])


def test_a_machine_that_reaches_every_private_network_gets_a_range_and_a_warning(some_facts: FactsMaker) -> None:
    """Inside of a larger network, outside of the machine's own one."""
    networks = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "10.244.3.0/24")
    facts = some_facts(routes=tuple(Route(ip_network(network), "eth0", ip_address("198.18.0.1")) for network in networks))
    proposal = proposed([machine(facts)], Choices("demo", StackMode.IPV4))
    assert not spec_of(proposal).network.pods[0].cidr.overlaps(ip_network("10.244.3.0/24"))
    assert {problem.code for problem in proposal.on_hosts} == {"range-in-host-network"}
    assert "make sure" in proposal.text


def test_ranges_have_room_for_all_machines(some_facts: FactsMaker) -> None:
    """Of 300 machines, each gets a range."""
    facts = some_facts()
    addresses = [InterfaceAddress(ip_interface(f"198.18.{number // 200}.{number % 200 + 1}/15"), "global") for number in range(300)]
    sixes = [InterfaceAddress(ip_interface(f"fd66::{number + 1:x}/64"), "global") for number in range(300)]
    machines = [
        machine(
            replace(facts, host=f"n{number}", hostname=f"n{number}", machine_id=f"{number:032x}", product_uuid=None,
                    links=(replace(facts.links[0], addresses=(addresses[number], sixes[number])),))
        )
        for number in range(300)
    ]  # fmt: skip
    spec = spec_of(proposed(machines))
    assert [pods.node_ranges for pods in spec.network.pods] == [512, 512]


def test_names_that_no_node_can_have_are_replaced(some_facts: FactsMaker) -> None:
    """The same name twice, localhost, and capital letters."""
    names = ["debian", "debian", "localhost.localdomain", "Node-4", "demo-1"]
    machines = [machine(some_facts(number, hostname=name)) for number, name in enumerate(names, 1)]
    assert [host.name for host in spec_of(proposed(machines)).hosts] == ["demo-2", "demo-3", "demo-4", "node-4", "demo-1"]


def test_an_address_that_cannot_be_decided_is_left_out_and_reported(some_facts: FactsMaker) -> None:
    """The file says so, and so do the rules that create uses."""
    facts = some_facts()
    second = InterfaceAddress(ip_interface("198.18.0.99/24"), "global")
    two = replace(facts, links=(replace(facts.links[0], addresses=(*facts.links[0].addresses, second)),))
    proposal = proposed([machine(two)])
    assert spec_of(proposal).hosts[0].addresses == ()
    assert "# addresses: write" in proposal.text
    assert any(problem.path == "hosts/node-1/addresses" for problem in proposal.on_hosts)


def test_the_common_families_of_machines(some_facts: FactsMaker) -> None:
    """A family that one machine lacks is none of them."""
    facts = some_facts(2)
    only_ipv6 = replace(facts, links=(replace(facts.links[0], addresses=facts.links[0].addresses[1:]),))
    assert families_of_machines([machine(some_facts()), machine(only_ipv6, "fd66::12")]) == (Family.IPV6,)
    assert families_of_machines([machine(some_facts())]) == (Family.IPV4, Family.IPV6)


_SURPRISING = st.text(max_size=12) | st.sampled_from(['x"\n  role: worker', "a\n- b", "no", "null", "1:20", "{{ x }}", "#", "\u2028"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(hostname=_SURPRISING, system=_SURPRISING, link=_SURPRISING)
def test_what_a_machine_says_stays_inside_of_its_place(some_facts: FactsMaker, hostname: str, system: str, link: str) -> None:
    """Names and comments of a machine cannot add a field to the file."""
    facts = some_facts()
    said = replace(facts, hostname=hostname, os=system, links=(replace(facts.links[0], name=link or "eth0"),))
    said = replace(said, default_routes=tuple(replace(route, interface=said.links[0].name) for route in said.default_routes))
    spec = spec_of(proposed([machine(said)]))
    assert len(spec.hosts) == 1
    assert isinstance(spec.network.pods[1].cidr, IPv6Network)
