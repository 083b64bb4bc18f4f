"""From spec and facts to the resolved spec, and what the offline rules find in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from cluster.facts.host_facts import HostFacts, KubernetesState
from cluster.plan.resolution import resolve, resolve_offline, resolved_problems
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


def test_the_offline_rules_judge_the_addresses_that_hosts_have(a_spec: SpecMaker, some_facts: FactsMaker) -> None:
    """The service range contains the address that was found on a host: an error that the file alone does not show."""
    spec = a_spec(network=services("10.96.0.0/16", "fd66::/112"))
    facts = {"node-1": some_facts(1), "node-2": some_facts(2)}
    problems = resolved_problems(spec, facts)
    assert problems
    assert {problem.severity for problem in problems} == {Severity.ERROR}
    assert resolved_problems(a_spec(), facts) == ()


def test_an_address_that_a_member_has_already_is_a_warning(a_spec: SpecMaker, some_facts: FactsMaker) -> None:
    """Neither the address nor the range can be changed; a host that is new to the cluster still gets an error."""
    spec = a_spec(network=services("10.96.0.0/16", "fd66::/112"))
    state = KubernetesState(kubelet_config=True, node_ips=(ip_address("198.18.0.11"), ip_address("fd66::11")))
    facts = {"node-1": some_facts(1, owner="demo", kubernetes=state), "node-2": some_facts(2)}
    severities = {problem.path: problem.severity for problem in resolved_problems(spec, facts)}
    assert severities == {"network.services[1]": Severity.WARNING, "hosts[1].addresses[1]": Severity.ERROR}
    both = {
        **facts,
        "node-2": replace(
            facts["node-1"], host="node-2", kubernetes=replace(state, node_ips=(ip_address("198.18.0.12"), ip_address("fd66::12")))
        ),
    }
    assert {problem.severity for problem in resolved_problems(spec, both)} == {Severity.WARNING}
