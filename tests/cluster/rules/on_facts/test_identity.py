"""Unique host names and hardware ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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
def test_duplicate_identities_are_reported_with_both_hosts(
    a_spec: Make, some_facts: Make, field: str, code: str, severity: Severity
) -> None:
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


def test_a_duplicate_mac_address_is_refused(a_spec: Make, some_facts: Make) -> None:
    """Only the link with the node address counts."""
    first, second = some_facts(1), some_facts(2)
    cloned = replace(second, links=(replace(second.links[0], mac=first.links[0].mac),))
    (problem,) = check_facts(a_spec(), {"node-1": first, "node-2": cloned}, bundle_architecture="amd64", bundle_size=1)
    assert (problem.code, problem.path) == ("mac-twice", "hosts/node-2/mac")


def test_unknown_product_uuids_are_not_duplicates(a_spec: Make, some_facts: Make) -> None:
    """Containers and some machines have no DMI data."""
    facts = {f"node-{number}": some_facts(number, product_uuid=None) for number in (1, 2)}
    assert check_facts(a_spec(), facts, bundle_architecture="amd64", bundle_size=1) == ()


@pytest.mark.parametrize("hostname", ["node-1", "node-1.example.org", "NODE-1"])
def test_a_host_name_equal_to_the_node_name_is_accepted(a_spec: Make, some_facts: Make, hostname: str) -> None:
    """Also with a domain or in upper case."""
    assert check_facts(a_spec(), {"node-1": some_facts(1, hostname=hostname)}, bundle_architecture="amd64", bundle_size=1) == ()


def test_another_host_name_gives_a_warning(a_spec: Make, some_facts: Make) -> None:
    """kubeadm gets the node name explicitly, so this is only a warning."""
    (problem,) = check_facts(a_spec(), {"node-1": some_facts(1, hostname="debian")}, bundle_architecture="amd64", bundle_size=1)
    assert (problem.code, problem.severity) == ("hostname-differs", Severity.WARNING)
    assert "debian" in problem.message
