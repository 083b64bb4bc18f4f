"""Networks of hosts against the ranges and addresses of the cluster."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network, ip_address, ip_interface, ip_network
from typing import Any

import pytest

from cluster.facts.host_facts import DefaultRoute, HostFacts, InterfaceAddress, KubernetesState, Link, Route
from cluster.plan.resolution import resolved_problems
from cluster.rules.on_facts import check_facts
from cluster.vocabulary.families import Family
from cluster.vocabulary.problems import Problem, Severity, errors_in
from cluster.vocabulary.spec import ClusterSpec

Make = Callable[..., Any]


def problems(spec: ClusterSpec, *facts: HostFacts) -> tuple[Problem, ...]:
    """Problems of these hosts."""
    return check_facts(spec, {one.host: one for one in facts}, bundle_architecture="amd64", bundle_size=1)


def with_link(facts: HostFacts, name: str, *addresses: str, kind: str = "bridge") -> HostFacts:
    """Facts with one more link."""
    entries = tuple(InterfaceAddress(ip_interface(address), "global") for address in addresses)
    return replace(facts, links=(*facts.links, Link(name, 1500, None, True, kind, entries)))


@pytest.mark.parametrize(
    ("link", "address", "cidr"),
    [
        ("docker0", "10.244.0.1/16", "10.244.0.0/16"),
        ("eth1", "10.96.0.11/16", "10.96.0.0/16"),
        ("virbr0", "10.244.122.1/24", "10.244.0.0/16"),
        ("eth1", "fd44:0:0:12::5/64", "fd44::/56"),
        ("wg0", "fd44:0:0:ffff::7/128", "fd44:0:0:ffff::/112"),
    ],
)
def test_a_network_of_a_link_inside_a_range_is_refused(a_spec: Make, some_facts: Make, link: str, address: str, cidr: str) -> None:
    """The file has no addresses, so only the facts show this."""
    (problem,) = problems(a_spec(), with_link(some_facts(1), link, address), some_facts(2))
    assert (problem.code, problem.path, problem.severity) == ("range-on-hosts", "hosts/node-1/networks", Severity.ERROR)
    assert all(words in problem.message for words in (cidr, f"{link} has {address}", "node-1"))


def test_routes_gateways_and_name_servers_inside_a_range_are_refused(a_spec: Make, some_facts: Make) -> None:
    """A route to another site, a sink, a gateway in nobody's network, and a name server (10.96.0.10 of another cluster)."""
    route = Route(ip_network("10.244.64.0/18"), "eth0", ip_address("198.18.0.9"))
    for changes, words in (
        ({"routes": (route,)}, "route to 10.244.64.0/18 through 198.18.0.9"),
        ({"routes": (Route(ip_network("10.96.0.0/24"), "", None, "blackhole"),)}, "blackhole route to 10.96.0.0/24"),
        ({"default_routes": (DefaultRoute(Family.IPV4, "eth0", ip_address("10.96.0.1"), "static"),)}, "gateway 10.96.0.1"),
        ({"nameservers": (ip_address("10.96.0.10"), ip_address("fd66::1"))}, "name server 10.96.0.10"),
    ):
        found = problems(a_spec(), some_facts(1, **changes), some_facts(2))
        assert [problem.code for problem in found] == ["range-on-hosts"], words
        assert words in found[0].message


def test_one_fault_of_many_hosts_is_one_problem(a_spec: Make, some_facts: Make) -> None:
    """docker0 with its route on two hosts: one problem that names both."""
    route = Route(ip_network("10.244.0.0/16"), "docker0")
    hosts = [with_link(some_facts(number, routes=(route,)), "docker0", "10.244.0.1/16") for number in (1, 2)]
    (problem,) = problems(a_spec(), *hosts)
    assert "docker0 has 10.244.0.1/16 (node-1, node-2)" in problem.message


def test_the_range_in_the_hint_is_free(a_spec: Make, some_facts: Make) -> None:
    """Neither a host nor another range has it: with it in the file, no problem is left."""
    facts = with_link(some_facts(1), "docker0", "10.244.0.1/16", "10.0.0.1/16", "10.1.0.1/16")
    (problem,) = problems(a_spec(), facts, some_facts(2))
    free = re.search(r"for example (\S+),", problem.hint)
    assert free is not None
    assert IPv4Network(free[1]).prefixlen == 16
    network = {"pods": [{"cidr": free[1]}, {"cidr": "fd44::/56"}], "services": ["10.96.0.0/16", "fd44:0:0:ffff::/112"]}
    assert problems(a_spec(network=network), facts, some_facts(2)) == ()


def test_a_range_inside_a_network_of_hosts_gives_a_warning(a_spec: Make, some_facts: Make) -> None:
    """A route of the site to 10.0.0.0/8 is usual: the cluster works, and hides a part of it. A default route in two halves is not a network."""
    site = Route(ip_network("10.0.0.0/8"), "eth0", ip_address("198.18.0.9"))
    halves = (Route(ip_network("0.0.0.0/1"), "tun0"), Route(ip_network("fc00::/7"), "tun0"))
    found = problems(a_spec(), some_facts(1, routes=(site,)), some_facts(2))
    assert {(problem.code, problem.severity) for problem in found} == {("range-in-host-network", Severity.WARNING)}
    assert len(found) == 2  # pods and services
    sink = Route(ip_network("10.0.0.0/8"), "", None, "unreachable")
    assert problems(a_spec(), some_facts(1, routes=(*halves, sink)), some_facts(2)) == ()


@pytest.mark.parametrize("services", [("198.18.0.0/20", "fd44:0:0:ffff::/112"), ("10.96.0.0/16", "fd66::/112")])
def test_a_node_address_inside_a_range_is_reported_once(a_spec: Make, some_facts: Make, services: tuple[str, ...]) -> None:
    """By the rule about node addresses (address-in-range), whether the network of the link is longer or shorter than the range."""
    network = {"pods": [{"cidr": "10.244.0.0/16"}, {"cidr": "fd44::/56"}], "services": services}
    hosts = [
        {**host.model_dump(mode="json"), "ssh": {"address": f"{host.name}.example.org", "host_key": "trust-on-first-use"}}
        for host in a_spec().hosts
    ]
    nowhere = (DefaultRoute(Family.IPV4, "eth0", None, "static"), DefaultRoute(Family.IPV6, "eth0", None, "static"))
    facts = [some_facts(number, nameservers=(ip_address("9.9.9.9"),), default_routes=nowhere) for number in (1, 2)]
    spec = a_spec(network=network, hosts=hosts)
    assert problems(spec, *facts) == ()
    assert {problem.code for problem in resolved_problems(spec, {one.host: one for one in facts})} == {"address-in-range"}


def member(facts: HostFacts) -> HostFacts:
    """The same host as a node of the cluster, with the links and routes of its pods."""
    state = KubernetesState(kubelet_config=True, kubelet_active=True)
    facts = with_link(replace(facts, owner="demo", kubernetes=state), "cni0", "10.244.0.1/24", "fd44::1/64")
    facts = with_link(facts, "flannel.1", "10.244.0.0/32", "fd44::/128", kind="vxlan")
    routes = (
        Route(ip_network("10.244.0.0/24"), "cni0"),
        Route(ip_network("10.244.1.0/24"), "flannel.1", ip_address("10.244.1.0")),
        Route(ip_network("10.244.2.0/26"), "eth0", ip_address("198.18.0.13")),
        Route(ip_network("10.244.0.64/26"), "", None, "blackhole"),
        Route(ip_network("10.244.0.7/32"), "cali0123456789a"),
    )
    return replace(facts, routes=routes)


def test_the_links_and_routes_of_a_running_cluster_are_its_own(a_spec: Make, some_facts: Make) -> None:
    """cni0, flannel.1, links of Calico, routes to ranges of nodes and sinks of blocks. On a host of nobody they are leftovers."""
    assert problems(a_spec(), member(some_facts(1)), some_facts(2)) == ()
    left = replace(member(some_facts(1)), owner=None, kubernetes=KubernetesState())
    assert {problem.code for problem in problems(a_spec(), left, some_facts(2))} == {"range-on-hosts"}


def test_on_nodes_of_the_cluster_it_is_a_warning(a_spec: Make, some_facts: Make) -> None:
    """The range cannot be changed any more. On a host that is new it stays an error."""
    node = with_link(member(some_facts(1)), "docker0", "10.244.0.1/16")
    (problem,) = problems(a_spec(), node, some_facts(2))
    assert (problem.code, problem.severity) == ("range-on-hosts", Severity.WARNING)
    (problem,) = problems(a_spec(), node, with_link(some_facts(2), "docker0", "10.244.0.1/16"))
    assert (problem.code, problem.severity) == ("range-on-hosts", Severity.ERROR)


@pytest.mark.parametrize(("kind", "code"), [("bridge", ["address-in-local-network"]), ("", []), ("bond", [])])
def test_the_endpoint_and_other_hosts_are_not_behind_a_local_bridge(a_spec: Make, some_facts: Make, kind: str, code: list[str]) -> None:
    """docker0 with the network of the endpoint. Behind hardware, the endpoint may really be there."""
    spec = a_spec(control_plane={"endpoint": "172.17.0.50:6443"})
    # without the warning that no host has the address
    found = errors_in(problems(spec, *(with_link(some_facts(number), "docker0", "172.17.0.1/16", kind=kind) for number in (1, 2))))
    assert [problem.code for problem in found] == code
    assert all(words in problem.message for problem in found for words in ("docker0", "172.17.0.50 (the API endpoint)", "node-1, node-2"))
    other = with_link(some_facts(1), "docker0", "198.18.0.1/25", kind=kind)  # longer than the prefix of eth0
    assert [problem.code for problem in problems(a_spec(), other, some_facts(2))] == code
