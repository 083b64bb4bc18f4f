"""Which paths between hosts are tried, and what is said of those that are closed."""

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
    """Facts of the three, which carry nothing."""
    return {f"node-{number}": some_facts(number) for number in (1, 2, 3)}


def judged(spec: ClusterSpec, facts: dict[str, HostFacts], closed: Iterable[ClosedPath], **more: Any) -> tuple[Problem, ...]:
    """What the rules say of closed paths."""
    return check_facts(spec, facts, bundle_architecture="amd64", bundle_size=1, connectivity=Connectivity(closed=tuple(closed), **more))


def closed(
    paths: Iterable[HostPath], source: str = "", target: str = "", protocol: str = "", family: Family | None = None, found: str = "silent"
) -> list[ClosedPath]:
    """Those of the paths that fit, as closed."""
    return [
        ClosedPath(path, found)
        for path in paths
        if source in {"", path.source} and target in {"", path.target} and protocol in {"", path.protocol} and family in {None, path.family}
    ]


def brief(paths: Iterable[HostPath]) -> set[tuple[str, str, str, int, str]]:
    """Paths as plain tuples, numbers for hosts."""
    return {(path.source[-1], path.target[-1], path.protocol, path.port, str(path.family)) for path in paths}


def test_between_bare_hosts_every_path_that_the_cluster_needs_is_tried(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """6443 from all to the control plane, 10250 from the control plane to all, VXLAN between all, each over both families."""
    wanted = {("2", "1", "tcp", 6443), ("3", "1", "tcp", 6443), ("1", "2", "tcp", 10250), ("1", "3", "tcp", 10250)}
    wanted |= {(one, other, "udp", 8472) for one in "123" for other in "123" if one != other}
    assert brief(paths_to_probe(three, bare)) == {(*path, family) for path in wanted for family in ("ipv4", "ipv6")}


def test_a_path_names_the_addresses_that_the_nodes_will_have(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """Those that facts show, where the file names none."""
    paths = [path for path in paths_to_probe(three, bare) if (path.source, path.target, path.protocol) == ("node-1", "node-3", "udp")]
    assert [(str(path.source_address), str(path.address)) for path in paths] == [("198.18.0.11", "198.18.0.13"), ("fd66::11", "fd66::13")]


@pytest.mark.parametrize(("stack", "families"), [("ipv4", {"ipv4"}), ("ipv6", {"ipv6"})])
def test_only_families_in_use_are_tried(a_spec: Make, some_facts: Make, stack: str, families: set[str]) -> None:
    """Hosts of a single-stack cluster may be deaf in the other family."""
    facts = {f"node-{number}": some_facts(number) for number in (1, 2)}
    assert {path.family for path in paths_to_probe(a_spec(stack=stack), facts)} == families


def test_without_a_pod_network_of_ours_no_udp_is_tried(a_spec: Make, some_facts: Make) -> None:
    """Which ports the owner's own pod network will use, only the owner knows."""
    facts = {f"node-{number}": some_facts(number) for number in (1, 2)}
    assert {path.protocol for path in paths_to_probe(a_spec(cni={"kind": "none"}), facts)} == {"tcp"}


def a_member(some_facts: Make, number: int) -> HostFacts:
    """A host that is in, with the device of its pod network."""
    found: HostFacts = some_facts(number, **MEMBER)
    return replace(found, links=(*found.links, Link("flannel.1", 1450, None, up=True, kind="vxlan")))


def test_nothing_is_tried_where_all_hosts_are_in(three: ClusterSpec, some_facts: Make) -> None:
    """A run that converges pays nothing."""
    assert paths_to_probe(three, {f"node-{number}": a_member(some_facts, number) for number in (1, 2, 3)}) == ()


def test_a_pod_network_that_is_yet_to_come_is_tried_between_members(three: ClusterSpec, some_facts: Make) -> None:
    """A cluster made with cni none, whose file now names one: VXLAN has not been tried before."""
    paths = paths_to_probe(three, {f"node-{number}": some_facts(number, **MEMBER) for number in (1, 2, 3)})
    assert {path.protocol for path in paths} == {"udp"}
    assert len(paths) == 6 * 2


def test_a_new_host_is_tried_with_those_that_are_in_and_they_not_with_each_other(three: ClusterSpec, some_facts: Make) -> None:
    """What listens on members is the cluster itself."""
    facts = {**{f"node-{number}": a_member(some_facts, number) for number in (1, 2)}, "node-3": some_facts(3)}
    paths = paths_to_probe(three, facts)
    assert {frozenset((path.source, path.target)) for path in paths} == {frozenset(("node-1", "node-3")), frozenset(("node-2", "node-3"))}
    assert {(path.target, path.running) for path in paths} == {("node-1", True), ("node-2", True), ("node-3", False)}


def test_calico_on_a_member_takes_no_vxlan_of_a_host_that_is_no_node_yet(a_spec: Make, some_facts: Make) -> None:
    """Its own rules drop that until the node is there; the other direction, and TCP both ways, are tried."""
    facts = {"node-1": a_member(some_facts, 1), "node-2": some_facts(2)}
    paths = paths_to_probe(a_spec(cni={"kind": "calico"}), facts)
    assert {(path.target, path.protocol) for path in paths} == {("node-1", "tcp"), ("node-2", "tcp"), ("node-2", "udp")}


@pytest.mark.parametrize("changes", [{"owner": "other"}, {"owner": "demo", "steps": (StepState("init-control-plane", 1, True, None),)}])
def test_a_host_that_somebody_works_on_is_left_alone(three: ClusterSpec, some_facts: Make, changes: dict[str, Any]) -> None:
    """Another cluster's host is refused anyway, and a kubeadm that runs must find its ports free."""
    facts = {f"node-{number}": some_facts(number, **(changes if number == 1 else {})) for number in (1, 2, 3)}
    assert {name for path in paths_to_probe(three, facts) for name in (path.source, path.target)} == {"node-2", "node-3"}


def test_a_host_that_was_not_inspected_is_left_out(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """The others are tried all the same."""
    del bare["node-2"]
    assert {name for path in paths_to_probe(three, bare) for name in (path.source, path.target)} == {"node-1", "node-3"}


def assert_values(problem: Problem, *values: str) -> None:
    """The message has all of these values."""
    assert all(value in problem.message for value in values), problem.message


def test_open_paths_are_no_problem(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """Nothing is said of them."""
    assert judged(three, bare, (), tried=20) == ()


def test_a_closed_host_is_one_problem(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """Both others, the family, every port with what listens there and what was seen; and the commands that open them."""
    (problem,) = judged(three, bare, closed(paths_to_probe(three, bare), target="node-3", family=Family.IPV6, protocol="udp"))
    assert (problem.code, problem.path, problem.severity) == ("hosts-cannot-reach-each-other", "hosts/node-3/connectivity", Severity.ERROR)
    assert_values(problem, "node-1, node-2", "IPv6", "8472/udp", "VXLAN")
    assert "IPv4" not in problem.message
    assert "`nft insert rule CHAIN ip6 saddr { fd66::11, fd66::12 } udp dport { 8472 } accept`" in problem.hint


def test_a_host_that_gets_nothing_out_is_one_problem(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """It is named itself, not each of those that it does not reach."""
    (problem,) = judged(three, bare, closed(paths_to_probe(three, bare), source="node-3", protocol="udp"))
    assert problem.path == "hosts/node-3/connectivity"
    assert_values(problem, "node-1, node-2", "IPv4", "IPv6", "8472/udp", "VXLAN")


def test_what_was_seen_is_told(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """Silence and refusal are different faults, in different places."""
    paths = paths_to_probe(three, bare)
    refused = closed(paths, target="node-1", protocol="tcp", family=Family.IPV4, found="Connection refused")
    silent = closed(paths, target="node-2", protocol="tcp", family=Family.IPV4)
    first, second = judged(three, bare, [*refused, *silent])
    assert (first.path, second.path) == ("hosts/node-1/connectivity", "hosts/node-2/connectivity")
    assert_values(first, "node-2, node-3", "IPv4", "6443/tcp", "kube-apiserver: connection refused")
    assert_values(second, "node-1", "IPv4", "10250/tcp", "kubelet: no answer")


def test_a_missing_route_is_no_firewall(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """The hint looks at the way, not at packet filters."""
    paths = paths_to_probe(three, bare)
    (problem,) = judged(three, bare, closed(paths, "node-1", "node-2", "tcp", Family.IPV6, found="Network is unreachable"))
    assert "node-1" in problem.hint
    assert "`ip route get fd66::12`" in problem.hint


def test_everything_closed_stays_readable(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """Three hosts, two families, five kinds of path, all closed: a few lines, none of them twice."""
    problems = judged(three, bare, closed(paths_to_probe(three, bare)))
    assert len(problems) <= 5
    assert len({(problem.path, problem.message) for problem in problems}) == len(problems)


def test_what_the_firewalls_rule_tells_is_not_told_again(three: ClusterSpec, some_facts: Make, bare: dict[str, HostFacts]) -> None:
    """The chain that drops it was found, with the command for it."""
    rule = FirewallRule("nftables", None, "inet filter input", (PortRange("udp", 8472, 8472),))
    facts = {**bare, "node-2": some_facts(2, firewall=(rule,))}
    problems = judged(three, facts, closed(paths_to_probe(three, bare), target="node-2"))
    by_code = {problem.code: problem for problem in problems}
    assert sorted(by_code) == ["firewall-closed", "hosts-cannot-reach-each-other"]
    assert_values(by_code["hosts-cannot-reach-each-other"], "node-1", "IPv4", "IPv6", "10250/tcp", "kubelet")
    assert "8472" not in by_code["hosts-cannot-reach-each-other"].message


def test_a_host_that_could_not_try_is_a_warning(three: ClusterSpec, bare: dict[str, HostFacts]) -> None:
    """It says why and what to do, and stops nothing."""
    (problem,) = judged(three, bare, (), untried=(("node-2", "lacking perl"),))
    assert (problem.code, problem.path, problem.severity) == ("hosts-not-tried", "hosts/node-2/connectivity", Severity.WARNING)
    assert "perl-base" in problem.hint
