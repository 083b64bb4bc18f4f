"""Machines that must not be one another, and their clocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cluster.rules.on_facts import check_facts
from cluster.vocabulary.problems import Severity

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("field", "code", "severity"),
    [
        ("hostname", "hostname-twice", Severity.ERROR),
        ("product_uuid", "product-uuid-twice", Severity.ERROR),
        ("machine_id", "machine-id-twice", Severity.WARNING),
    ],
)
def test_two_machines_with_one_identity_are_both_named(a_spec: Make, some_facts: Make, field: str, code: str, severity: Severity) -> None:
    """Clones of one disk image, or one machine under two names."""
    first = some_facts(1)
    second = some_facts(2, **{field: getattr(first, field)})
    problems = [
        problem
        for problem in check_facts(a_spec(), {"node-1": first, "node-2": second}, bundle_architecture="amd64", bundle_size=1)
        if problem.code != "hostname-differs"
    ]
    assert [(problem.code, problem.severity) for problem in problems] == [(code, severity)]
    assert "node-2 and node-1" in problems[0].message


def test_one_mac_address_on_two_machines_is_refused(a_spec: Make, some_facts: Make) -> None:
    """The link that carries the node address counts."""
    first, second = some_facts(1), some_facts(2)
    cloned = replace(second, links=(replace(second.links[0], mac=first.links[0].mac),))
    (problem,) = check_facts(a_spec(), {"node-1": first, "node-2": cloned}, bundle_architecture="amd64", bundle_size=1)
    assert (problem.code, problem.path) == ("mac-twice", "hosts/node-2/mac")


def test_an_unreadable_product_uuid_is_no_twin(a_spec: Make, some_facts: Make) -> None:
    """Containers and some machines have no DMI."""
    facts = {f"node-{number}": some_facts(number, product_uuid=None) for number in (1, 2)}
    assert check_facts(a_spec(), facts, bundle_architecture="amd64", bundle_size=1) == ()


@pytest.mark.parametrize("hostname", ["node-1", "node-1.example.org", "NODE-1"])
def test_a_hostname_that_is_the_node_name_is_right(a_spec: Make, some_facts: Make, hostname: str) -> None:
    """With a domain or in capitals it is the same name."""
    assert check_facts(a_spec(), {"node-1": some_facts(1, hostname=hostname)}, bundle_architecture="amd64", bundle_size=1) == ()


def test_another_hostname_is_a_warning(a_spec: Make, some_facts: Make) -> None:
    """kubeadm is told the node name, so nothing breaks."""
    (problem,) = check_facts(a_spec(), {"node-1": some_facts(1, hostname="debian")}, bundle_architecture="amd64", bundle_size=1)
    assert (problem.code, problem.severity) == ("hostname-differs", Severity.WARNING)
    assert "debian" in problem.message


@pytest.mark.parametrize("seconds", [31, -31])
def test_a_clock_that_is_off_either_way_is_named(a_spec: Make, some_facts: Make, seconds: int) -> None:
    """Ahead and behind alike."""
    hosts = [host.model_dump(mode="json") for host in a_spec().hosts]
    hosts.append({**hosts[1], "name": "node-3", "ssh": {**hosts[1]["ssh"], "address": "198.18.0.13"}})
    facts = {f"node-{n}": some_facts(n, clock_offset=timedelta(seconds=500 + (seconds if n == 2 else 0))) for n in (1, 2, 3)}
    (problem,) = check_facts(a_spec(hosts=hosts), facts, bundle_architecture="amd64", bundle_size=1)
    assert (problem.code, problem.path) == ("clock-off", "hosts/node-2/clock")
    assert "31 s" in problem.message
    assert ("ahead of" if seconds > 0 else "behind") in problem.message


def test_clocks_within_half_a_minute_agree(a_spec: Make, some_facts: Make) -> None:
    """How far they are from ours does not matter."""
    facts = {f"node-{n}": some_facts(n, clock_offset=timedelta(hours=1, seconds=30 * n)) for n in (1, 2)}
    assert check_facts(a_spec(), facts, bundle_architecture="amd64", bundle_size=1) == ()
