"""Node addresses on the hosts, and their detection if the file has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from typing import Any

import pytest

from cluster.facts.host_facts import DefaultRoute, HostFacts, InterfaceAddress, KubernetesState, Link
from cluster.plan.resolution import resolve
from cluster.rules.on_facts import check_facts
from cluster.vocabulary.families import Family
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec

Make = Callable[..., Any]


def check(spec: ClusterSpec, facts: HostFacts) -> tuple[Problem, ...]:
    """The problems of one host."""
    return check_facts(spec, {facts.host: facts}, bundle_architecture="amd64", bundle_size=1)


def with_address(facts: HostFacts, text: str, *flags: str, link: str = "eth0") -> HostFacts:
    """The facts with one more address on a link."""
    added = InterfaceAddress(ip_interface(text), "global", frozenset(flags))
    return replace(facts, links=tuple(replace(one, addresses=(*one.addresses, added)) if one.name == link else one for one in facts.links))


def hosts(**fields: Any) -> dict[str, Any]:
    """The `hosts` of a file with one host."""
    return {
        "hosts": [
            {"name": "node-1", "role": "control-plane", "ssh": {"address": "198.18.0.11", "host_key": "trust-on-first-use"}, **fields}
        ]
    }


def test_the_addresses_of_the_default_route_are_chosen_primary_first(a_spec: Make, some_facts: Make) -> None:
    """The only stable global address of each family is the node address."""
    for primary, expected in (("ipv4", ["198.18.0.11", "fd66::11"]), ("ipv6", ["fd66::11", "198.18.0.11"])):
        network = a_spec().network.model_dump(mode="json")
        if primary == "ipv6":
            network = {**network, "pods": network["pods"][::-1], "services": network["services"][::-1]}
        spec = a_spec(primary_family=primary, network=network)
        facts = {"node-1": some_facts(1), "node-2": some_facts(2)}
        assert check_facts(spec, facts, bundle_architecture="amd64", bundle_size=1) == ()
        assert [str(address) for address in resolve(spec, facts).hosts[0].addresses] == expected


def test_addresses_of_the_file_are_kept(a_spec: Make, some_facts: Make) -> None:
    """The file takes precedence over the facts."""
    facts = with_address(some_facts(1), "198.18.0.99/24")
    spec = a_spec(**hosts(addresses=["198.18.0.99", "fd66::11"]))
    assert check(spec, facts) == ()
    assert resolve(spec, {"node-1": facts, "node-2": some_facts(2)}).hosts[0].addresses == (
        ip_address("198.18.0.99"),
        ip_address("fd66::11"),
    )


def test_several_candidates_are_all_listed(a_spec: Make, some_facts: Make) -> None:
    """The owner must choose."""
    (problem,) = check(a_spec(), with_address(some_facts(1), "fd99::5/64"))
    assert (problem.code, problem.path) == ("several-node-addresses", "hosts/node-1/addresses")
    assert "fd66::11, fd99::5" in problem.message


@pytest.mark.parametrize("flag", ["temporary", "deprecated", "tentative", "dadfailed"])
def test_unstable_addresses_are_not_candidates(a_spec: Make, some_facts: Make, flag: str) -> None:
    """An additional privacy address is ignored."""
    facts = with_address(some_facts(1), "fd66::abcd/64", flag)
    assert check(a_spec(), facts) == ()
    (problem,) = check(a_spec(**hosts(addresses=["198.18.0.11", "fd66::abcd"])), facts)
    assert problem.code == "address-not-stable"
    assert "fd66::abcd" in problem.message
    assert flag in problem.message


def test_a_missing_address_is_reported_with_the_addresses_of_the_host(a_spec: Make, some_facts: Make) -> None:
    """kubelet would not start with it (kubernetes#130409)."""
    (problem,) = check(a_spec(**hosts(addresses=["198.18.0.11", "fd66::99"])), some_facts(1))
    assert problem.code == "address-not-on-host"
    assert "fd66::99" in problem.message
    assert "fd66::11" in problem.message
    assert "ip address add fd66::99/64" in problem.hint


def test_a_host_without_a_family_in_use_is_refused(a_spec: Make, some_facts: Make) -> None:
    """Link-local addresses are listed but do not count."""
    facts = some_facts(1)
    link = facts.links[0]
    ipv4_only = replace(facts, links=(replace(link, addresses=(link.addresses[0], link.addresses[2])),))
    (problem,) = check(a_spec(), ipv4_only)
    assert problem.code == "no-node-address"
    assert all(value in problem.message for value in ("IPv6", "eth0", "fe80::11"))
    assert check(a_spec(stack="ipv4"), ipv4_only) == ()


def test_interface_selects_the_addresses(a_spec: Make, some_facts: Make) -> None:
    """Addresses of other links are then ignored."""
    second = Link("eth1", 1500, "52:54:00:00:01:01", True, addresses=(InterfaceAddress(ip_interface("10.9.0.1/24"), "global"),))
    facts = some_facts(1)
    facts = with_address(replace(facts, links=(*facts.links, second)), "fd99::1/64", link="eth1")
    spec = a_spec(**hosts(interface="eth1"))
    assert check(spec, facts) == ()
    assert resolve(spec, {"node-1": facts, "node-2": some_facts(2)}).hosts[0].addresses == (ip_address("10.9.0.1"), ip_address("fd99::1"))


def test_a_missing_interface_is_reported_with_the_interfaces_of_the_host(a_spec: Make, some_facts: Make) -> None:
    """There is no other problem about addresses."""
    (problem,) = check(a_spec(**hosts(interface="ens3")), some_facts(1))
    assert problem.code == "interface-not-on-host"
    assert all(name in problem.message for name in ("ens3", "eth0"))


def test_an_address_on_another_interface_is_reported(a_spec: Make, some_facts: Make) -> None:
    """Either the interface or the address is wrong."""
    facts = some_facts(1)
    facts = replace(facts, links=(*facts.links, Link("eth1", 1500, None, True)))
    problems = check(a_spec(**hosts(interface="eth1", addresses=["198.18.0.11", "fd66::11"])), facts)
    assert [problem.code for problem in problems] == ["address-not-on-host"] * 2
    for problem, address in zip(problems, ("198.18.0.11", "fd66::11"), strict=True):
        assert all(value in problem.message for value in (address, "eth0", "eth1"))


def test_a_family_without_a_default_route_uses_the_link_of_the_other_family(a_spec: Make, some_facts: Make) -> None:
    """A cluster network needs no default route."""
    facts = some_facts(1, default_routes=(DefaultRoute(Family.IPV4, "eth0", None, "static"),))
    assert check(a_spec(), facts) == ()


def test_a_host_without_default_route_needs_an_interface(a_spec: Make, some_facts: Make) -> None:
    """sixstack does not guess among links."""
    problems = check(a_spec(), some_facts(1, default_routes=()))
    assert [problem.code for problem in problems] == ["no-node-address"] * 2
    assert "interface" in problems[0].hint


def test_an_endpoint_on_a_worker_is_refused(a_spec: Make, some_facts: Make) -> None:
    """No API server runs on a worker."""
    spec = a_spec(control_plane={"endpoint": "198.18.0.12"})
    facts = {"node-1": some_facts(1), "node-2": some_facts(2)}
    (problem,) = check_facts(spec, facts, bundle_architecture="amd64", bundle_size=1)
    assert (problem.code, problem.path) == ("endpoint-not-on-control-plane", "hosts/node-2/addresses")


def test_an_endpoint_that_no_host_has_gives_a_warning(a_spec: Make, some_facts: Make) -> None:
    """A typing mistake, or a load balancer that must forward to the port of the API server."""
    spec = a_spec(control_plane={"endpoint": "[fd66::100]:8443", "bind_port": 8443})
    facts = {f"node-{number}": some_facts(number) for number in (1, 2)}
    (problem,) = check_facts(spec, facts, bundle_architecture="amd64", bundle_size=1)
    assert (problem.code, problem.path, problem.severity) == ("endpoint-on-no-host", "control_plane/endpoint", "warning")
    assert "port 8443 to port 8443" in problem.hint
    # a virtual IP that a host has, and a host that was not inspected
    facts_with_vip = {**facts, "node-1": with_address(facts["node-1"], "fd66::100/128", "deprecated")}
    assert check_facts(spec, facts_with_vip, bundle_architecture="amd64", bundle_size=1) == ()
    assert check_facts(spec, {"node-1": facts["node-1"]}, bundle_architecture="amd64", bundle_size=1) == ()


def test_a_node_keeps_its_registered_addresses(a_spec: Make, some_facts: Make) -> None:
    """Addresses that were added later are ignored; a removed address is reported."""
    state = KubernetesState(ca_hash="sha256:aa", kubelet_config=True, node_ips=(ip_address("198.18.0.11"), ip_address("fd66::11")))
    facts = with_address(some_facts(1, owner="demo", kubernetes=state), "fd99::5/64")
    assert check(a_spec(), facts) == ()
    assert resolve(a_spec(), {"node-1": facts, "node-2": some_facts(2)}).hosts[0].addresses == state.node_ips
    moved = replace(facts, kubernetes=replace(state, node_ips=(ip_address("198.18.0.11"), ip_address("fd66::77"))))
    assert [problem.code for problem in check(a_spec(), moved)] == ["address-not-on-host"]


def test_another_stack_ignores_the_registered_addresses(a_spec: Make, some_facts: Make) -> None:
    """Another rule reports that the stack is immutable."""
    state = KubernetesState(ca_hash="sha256:aa", kubelet_config=True, node_ips=(ip_address("198.18.0.11"),))
    facts = some_facts(1, owner="demo", kubernetes=state)
    assert resolve(a_spec(), {"node-1": facts, "node-2": some_facts(2)}).hosts[0].addresses == (
        ip_address("198.18.0.11"),
        ip_address("fd66::11"),
    )


@pytest.mark.parametrize(("cni", "stack", "expected"), [
    ("flannel", "dual-stack", ["addresses-on-two-links"]),
    ("calico", "dual-stack", []),
    ("none", "dual-stack", []),
    ("flannel", "ipv6", []),
])  # fmt: skip
def test_flannel_needs_both_addresses_on_one_link(a_spec: Make, some_facts: Make, cni: str, stack: str, expected: list[str]) -> None:
    """flannel#2081: found by the default routes, or in the file."""
    facts = some_facts(1)
    first, second = facts.links[0].addresses[:2]
    links = (replace(facts.links[0], addresses=(first,)), replace(facts.links[0], name="eth1", addresses=(second,)))
    routes = (facts.default_routes[0], replace(facts.default_routes[1], interface="eth1"))
    facts = replace(facts, links=links, default_routes=routes)
    found = check_facts(a_spec(cni={"kind": cni}, stack=stack), {"node-1": facts}, bundle_architecture="amd64", bundle_size=1)
    assert [problem.code for problem in found] == expected
    assert all("198.18.0.11 is on eth0, fd66::11 is on eth1" in problem.message for problem in found)
