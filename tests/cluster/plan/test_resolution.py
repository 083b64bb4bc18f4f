"""From spec and facts to the resolved spec, and what the offline rules find in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from typing import Any

import pytest

from cluster.facts.cluster_state import NodeState
from cluster.facts.host_facts import HostFacts, InterfaceAddress, KubernetesState
from cluster.plan.resolution import resolve, resolve_offline, resolve_partly, resolved_problems
from cluster.rules.offline import check_spec
from cluster.vocabulary.errors import Bug
from cluster.vocabulary.problems import Severity
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec

SpecMaker = Callable[..., ClusterSpec]
FactsMaker = Callable[..., HostFacts]


def services(*ranges: str) -> dict[str, Any]:
    """The network of the sample cluster with other service ranges."""
    return {"pods": [{"cidr": "10.244.0.0/16"}, {"cidr": "fd44::/56"}], "services": list(ranges)}


def test_a_resolved_spec_has_one_address_per_family_on_every_host(a_spec: SpecMaker, some_facts: FactsMaker) -> None:
    """A spec with a missing address is a bug of ours, not a half-resolved spec."""
    resolved = resolve(a_spec(), {"node-1": some_facts(1), "node-2": some_facts(2)})
    assert all(len(host.addresses) == 2 for host in resolved.hosts)
    with pytest.raises(Bug):
        ResolvedSpec.of(a_spec())


def test_two_files_are_compared_without_asking_hosts(a_spec: SpecMaker) -> None:
    """An address that neither file names is the unspecified one."""
    assert {str(address) for host in resolve_offline(a_spec()).hosts for address in host.addresses} == {"0.0.0.0", "::"}


def test_hosts_without_facts_get_no_address_of_others(a_spec: SpecMaker, some_facts: FactsMaker) -> None:
    """A renewal needs the control plane alone; a worker that was not reached is unknown."""
    first, second = resolve_partly(a_spec(), {"node-1": some_facts(1)}).hosts[:2]
    assert first.addresses == resolve(a_spec(), {"node-1": some_facts(1), "node-2": some_facts(2)}).hosts[0].addresses
    assert [*map(str, second.addresses)] == ["0.0.0.0", "::"]


def test_the_offline_rules_judge_the_addresses_that_hosts_have(a_spec: SpecMaker, some_facts: FactsMaker) -> None:
    """The service range contains the address that was found on a host: an error that the file alone does not show."""
    spec = a_spec(network=services("10.96.0.0/16", "fd66::/112"))
    facts = {"node-1": some_facts(1), "node-2": some_facts(2)}
    (problem,) = resolved_problems(spec, facts)
    assert (problem.code, problem.path, problem.severity) == ("address-in-range", "network.services[1]", Severity.ERROR)
    assert resolved_problems(a_spec(), facts) == ()


def test_an_address_that_a_member_has_already_is_a_warning(a_spec: SpecMaker, some_facts: FactsMaker) -> None:
    """Neither the address nor the range can be changed. A range that also contains the address of a new host is an error, and one problem."""
    spec = a_spec(network=services("10.96.0.0/16", "fd66::/112"))
    state = KubernetesState(kubelet_config=True, node_ips=(ip_address("198.18.0.11"), ip_address("fd66::11")))
    facts = {"node-1": some_facts(1, owner="demo", kubernetes=state), "node-2": some_facts(2)}
    (problem,) = resolved_problems(spec, facts)
    assert (problem.path, problem.severity) == ("network.services[1]", Severity.ERROR)
    link = facts["node-2"].links[0]
    outside = InterfaceAddress(ip_interface("fd67::12/64"), "global")
    elsewhere = replace(facts["node-2"], links=(replace(link, addresses=(link.addresses[0], outside)),))
    (problem,) = resolved_problems(spec, {**facts, "node-2": elsewhere})
    assert (problem.path, problem.severity) == ("hosts[0].addresses[1]", Severity.WARNING)
    both = {
        **facts,
        "node-2": replace(
            facts["node-1"], host="node-2", kubernetes=replace(state, node_ips=(ip_address("198.18.0.12"), ip_address("fd66::12")))
        ),
    }
    (problem,) = resolved_problems(spec, both)
    assert (problem.path, problem.severity) == ("network.services[1]", Severity.WARNING)


def test_a_problem_of_the_file_is_not_repeated(a_spec: SpecMaker, some_facts: FactsMaker) -> None:
    """A warning of the file has another hint when an address of a host is inside the range that it proposed."""
    spec = a_spec(network={"pods": [{"cidr": "200.1.0.0/16"}, {"cidr": "fd44::/56"}], "services": ["10.96.0.0/16", "fd44:0:0:ffff::/112"]})
    (known,) = check_spec(spec)
    inside = InterfaceAddress(ip_interface("10.244.0.11/24"), "global")
    facts = some_facts(1)
    link = replace(facts.links[0], addresses=(inside, facts.links[0].addresses[1]))
    resolved = {"node-1": replace(facts, links=(link,)), "node-2": some_facts(2)}
    assert known.severity is Severity.WARNING
    assert "10.244.0.0/16" in known.hint
    assert resolved_problems(spec, resolved) == ()


def test_an_endpoint_with_another_port_than_the_api_servers_gives_a_warning(a_spec: SpecMaker, some_facts: FactsMaker) -> None:
    """A second address of the control plane: the API server does not take over its port."""
    facts = {"node-1": some_facts(1), "node-2": some_facts(2)}
    spec = a_spec(control_plane={"endpoint": "[fd66::100]:8443"})
    assert not spec.hosts[0].addresses
    (problem,) = resolved_problems(spec, facts)
    assert (problem.code, problem.severity) == ("endpoint-port-differs", Severity.WARNING)
    for accepted in ({"endpoint": "[fd66::11]:8443"}, {"endpoint": "[fd66::100]:8443", "bind_port": 8443}, {"endpoint": "[fd66::100]"}):
        assert resolved_problems(a_spec(control_plane=accepted), facts) == ()


def test_a_host_without_facts_has_the_addresses_of_its_node(a_spec: SpecMaker, some_facts: FactsMaker) -> None:
    """In the order of the families; the unspecified address while the node is not known either."""
    facts = {"node-1": some_facts(1)}
    node = NodeState("node-2", ready=True, addresses=(ip_address("fd66::12"), ip_address("198.18.0.12")))
    assert resolve_partly(a_spec(), facts, (node,)).host("node-2").addresses == (ip_address("198.18.0.12"), ip_address("fd66::12"))
    assert {str(address) for address in resolve_partly(a_spec(), facts).host("node-2").addresses} == {"0.0.0.0", "::"}
    both = {**facts, "node-2": some_facts(2)}
    assert resolve_partly(a_spec(), both) == resolve(a_spec(), both)
