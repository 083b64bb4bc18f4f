"""Which paths between hosts are tested, and the problems of closed paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from cluster.facts.host_facts import FirewallRule, HostFacts, KubernetesState, Link, PortRange, StepState
from cluster.facts.host_paths import ClosedPath, Connectivity, HostPath
from cluster.rules.on_facts import check_facts
from cluster.rules.on_facts.host_paths import paths_to_probe
from cluster.vocabulary.families import Family
from cluster.vocabulary.problems import Problem, Severity
from cluster.vocabulary.spec import ClusterSpec

Make = Callable[..., Any]

MEMBER: dict[str, Any] = {"owner": "demo", "kubernetes": KubernetesState(kubelet_config=True, kubelet_active=True)}


@pytest.fixture
def three(a_spec: Make) -> ClusterSpec:
    """A control plane and two workers, dual-stack."""
    hosts = [
        {
            "name": f"node-{number}",
            "role": "control-plane" if number == 1 else "worker",
            "ssh": {"address": f"198.18.0.1{number}", "host_key": "trust-on-first-use"},
        }
        for number in (1, 2, 3)
    ]
    spec: ClusterSpec = a_spec(hosts=hosts)
    return spec


@pytest.fixture
def bare(some_facts: Make) -> dict[str, HostFacts]:
    """Facts of three bare hosts."""
    return {f"node-{number}": some_facts(number) for number in (1, 2, 3)}


def problems_of(spec: ClusterSpec, facts: dict[str, HostFacts], closed: Iterable[ClosedPath], **more: Any) -> tuple[Problem, ...]:
    """The problems for closed paths."""
    return check_facts(spec, facts, bundle_architecture="amd64", bundle_size=1, connectivity=Connectivity(closed=tuple(closed), **more))


def closed(
    paths: Iterable[HostPath], source: str = "", target: str = "", protocol: str = "", family: Family | None = None, found: str = "silent"
) -> list[ClosedPath]:
    """The matching paths, as closed paths."""
    return [
        ClosedPath(path, found)
        for path in paths
        if source in {"", path.source} and target in {"", path.target} and protocol in {"", path.protocol} and family in {None, path.family}
    ]


def brief(paths: Iterable[HostPath]) -> set[tuple[str, str, str, int, str]]:
    """Paths as plain tuples, numbers for hosts."""
    return {(path.source[-1], path.target[-1], path.protocol, path.port, str(path.family)) for path in paths}


def test_all_paths_between_new_hosts_are_tested(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """6443 from all to the control plane, 10250 from the control plane to all, VXLAN between all, each over both families."""
    wanted = {("2", "1", "tcp", 6443), ("3", "1", "tcp", 6443), ("1", "2", "tcp", 10250), ("1", "3", "tcp", 10250)}
    wanted |= {(one, other, "udp", 8472) for one in "123" for other in "123" if one != other}
    assert brief(paths_to_probe(three, bare)) == {(*path, family) for path in wanted for family in ("ipv4", "ipv6")}


def test_a_path_has_the_node_addresses(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """The addresses from the facts if the file has none."""
    paths = [path for path in paths_to_probe(three, bare) if (path.source, path.target, path.protocol) == ("node-1", "node-3", "udp")]
    assert [(str(path.source_address), str(path.address)) for path in paths] == [("198.18.0.11", "198.18.0.13"), ("fd66::11", "fd66::13")]


@pytest.mark.parametrize(("stack", "families"), [("ipv4", {"ipv4"}), ("ipv6", {"ipv6"})])
def test_only_families_in_use_are_tested(a_spec: Make, some_facts: Make, stack: str, families: set[str]) -> None:
    """A single-stack cluster does not use the other family."""
    facts = {f"node-{number}": some_facts(number) for number in (1, 2)}
    assert {path.family for path in paths_to_probe(a_spec(stack=stack), facts)} == families


def test_without_a_pod_network_no_udp_path_is_tested(a_spec: Make, some_facts: Make) -> None:
    """The ports of a foreign pod network are unknown."""
    facts = {f"node-{number}": some_facts(number) for number in (1, 2)}
    assert {path.protocol for path in paths_to_probe(a_spec(cni={"kind": "none"}), facts)} == {"tcp"}


def a_member(some_facts: Make, number: int) -> HostFacts:
    """A node with the device of its pod network."""
    found: HostFacts = some_facts(number, **MEMBER)
    return replace(found, links=(*found.links, Link("flannel.1", 1450, None, up=True, kind="vxlan")))


def test_a_complete_cluster_needs_no_tests(three: ClusterSpec, some_facts: Make) -> None:
    """Repeated runs cost no time."""
    assert paths_to_probe(three, {f"node-{number}": a_member(some_facts, number) for number in (1, 2, 3)}) == ()


def test_a_new_pod_network_is_tested_between_nodes(three: ClusterSpec, some_facts: Make) -> None:
    """After a change of cni from none, VXLAN has not been tested yet."""
    paths = paths_to_probe(three, {f"node-{number}": some_facts(number, **MEMBER) for number in (1, 2, 3)})
    assert {path.protocol for path in paths} == {"udp"}
    assert len(paths) == 6 * 2


def test_only_paths_of_the_new_host_are_tested(three: ClusterSpec, some_facts: Make) -> None:
    """On nodes, the components themselves listen."""
    facts = {**{f"node-{number}": a_member(some_facts, number) for number in (1, 2)}, "node-3": some_facts(3)}
    paths = paths_to_probe(three, facts)
    assert {frozenset((path.source, path.target)) for path in paths} == {frozenset(("node-1", "node-3")), frozenset(("node-2", "node-3"))}
    assert {(path.target, path.running) for path in paths} == {("node-1", True), ("node-2", True), ("node-3", False)}


def test_vxlan_to_a_node_with_calico_is_not_tested(a_spec: Make, some_facts: Make) -> None:
    """Calico drops VXLAN from hosts that are not nodes. The other direction and TCP in both directions are tested."""
    facts = {"node-1": a_member(some_facts, 1), "node-2": some_facts(2)}
    paths = paths_to_probe(a_spec(cni={"kind": "calico"}), facts)
    assert {(path.target, path.protocol) for path in paths} == {("node-1", "tcp"), ("node-2", "tcp"), ("node-2", "udp")}


@pytest.mark.parametrize("changes", [{"owner": "other"}, {"owner": "demo", "steps": (StepState("init-control-plane", 1, True, None),)}])
def test_hosts_in_use_are_not_tested(three: ClusterSpec, some_facts: Make, changes: dict[str, Any]) -> None:
    """Hosts of other clusters are refused, and a running kubeadm needs its ports free."""
    facts = {f"node-{number}": some_facts(number, **(changes if number == 1 else {})) for number in (1, 2, 3)}
    assert {name for path in paths_to_probe(three, facts) for name in (path.source, path.target)} == {"node-2", "node-3"}


def test_uninspected_hosts_are_not_tested(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """The other hosts are tested."""
    del bare["node-2"]
    assert {name for path in paths_to_probe(three, bare) for name in (path.source, path.target)} == {"node-1", "node-3"}


def assert_values(problem: Problem, *values: str) -> None:
    """The message has all of these values."""
    assert all(value in problem.message for value in values), problem.message


def test_open_paths_are_no_problem(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """Open paths give no problem."""
    assert problems_of(three, bare, (), tried=20) == ()


def test_a_closed_host_is_one_problem(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """The message has both other hosts, the family, the ports, their components and the result; the hint has the commands."""
    (problem,) = problems_of(three, bare, closed(paths_to_probe(three, bare), target="node-3", family=Family.IPV6, protocol="udp"))
    assert (problem.code, problem.path, problem.severity) == ("hosts-cannot-reach-each-other", "hosts/node-3/connectivity", Severity.ERROR)
    assert_values(problem, "node-1, node-2", "IPv6", "8472/udp", "VXLAN")
    assert "IPv4" not in problem.message
    assert "`nft insert rule CHAIN ip6 saddr { fd66::11, fd66::12 } udp dport { 8472 } accept`" in problem.hint


def test_a_host_whose_outgoing_packets_are_dropped_is_one_problem(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """The problem is at this host, not at the unreachable hosts."""
    (problem,) = problems_of(three, bare, closed(paths_to_probe(three, bare), source="node-3", protocol="udp"))
    assert problem.path == "hosts/node-3/connectivity"
    assert_values(problem, "node-1, node-2", "IPv4", "IPv6", "8472/udp", "VXLAN")


def test_the_message_has_the_observed_result(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """A silent drop and a refused connection have different causes."""
    paths = paths_to_probe(three, bare)
    refused = closed(paths, target="node-1", protocol="tcp", family=Family.IPV4, found="Connection refused")
    silent = closed(paths, target="node-2", protocol="tcp", family=Family.IPV4)
    first, second = problems_of(three, bare, [*refused, *silent])
    assert (first.path, second.path) == ("hosts/node-1/connectivity", "hosts/node-2/connectivity")
    assert_values(first, "node-2, node-3", "IPv4", "6443/tcp", "kube-apiserver: connection refused")
    assert_values(second, "node-1", "IPv4", "10250/tcp", "kubelet: no answer")


def test_the_hint_for_a_missing_route_is_ip_route(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """The cause is routing, not a packet filter."""
    paths = paths_to_probe(three, bare)
    (problem,) = problems_of(three, bare, closed(paths, "node-1", "node-2", "tcp", Family.IPV6, found="Network is unreachable"))
    assert "node-1" in problem.hint
    assert "`ip route get fd66::12`" in problem.hint


def test_many_closed_paths_give_few_problems(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """Three hosts, two families, five kinds of paths, all closed: at most five problems, without duplicates."""
    problems = problems_of(three, bare, closed(paths_to_probe(three, bare)))
    assert len(problems) <= 5
    assert len({(problem.path, problem.message) for problem in problems}) == len(problems)


def test_paths_of_firewall_closed_are_not_reported_again(three: ClusterSpec, some_facts: Make, bare: dict[str, HostFacts]) -> None:
    """Rule firewall-closed has the chain and the command."""
    rule = FirewallRule("nftables", None, "inet filter input", (PortRange("udp", 8472, 8472),))
    facts = {**bare, "node-2": some_facts(2, firewall=(rule,))}
    problems = problems_of(three, facts, closed(paths_to_probe(three, bare), target="node-2"))
    by_code = {problem.code: problem for problem in problems}
    assert sorted(by_code) == ["firewall-closed", "hosts-cannot-reach-each-other"]
    assert_values(by_code["hosts-cannot-reach-each-other"], "node-1", "IPv4", "IPv6", "10250/tcp", "kubelet")
    assert "8472" not in by_code["hosts-cannot-reach-each-other"].message


def test_an_untested_host_gives_a_warning(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """The hint has the missing package."""
    (problem,) = problems_of(three, bare, (), untried=(("node-2", "lacking perl"),))
    assert (problem.code, problem.path, problem.severity) == ("hosts-not-tried", "hosts/node-2/connectivity", Severity.WARNING)
    assert "perl-base" in problem.hint
