"""Clocks of hosts and of the worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cluster.facts.host_facts import KubernetesState
from cluster.rules.on_facts import check_facts
from cluster.vocabulary.problems import Problem

Make = Callable[..., Any]
DAY = 86400


def clock_problems(a_spec: Make, some_facts: Make, *offsets: float, uncertainty: float = 0) -> tuple[Problem, ...]:
    """Problems of hosts whose clocks differ from the worker's by these seconds."""
    first, second = (host.model_dump(mode="json") for host in a_spec().hosts)
    numbers = range(1, len(offsets) + 1)
    others = [{**second, "name": f"node-{n}", "ssh": {**second["ssh"], "address": f"198.18.0.1{n}"}} for n in numbers if n > 1]
    facts = {
        f"node-{n}": some_facts(n, clock_offset=timedelta(seconds=offset), clock_uncertainty=timedelta(seconds=uncertainty))
        for n, offset in zip(numbers, offsets, strict=True)
    }
    return check_facts(a_spec(hosts=[first, *others]), facts, bundle_architecture="amd64", bundle_size=1)


@pytest.mark.parametrize(
    ("offsets", "wrong"),
    [
        ((0, 31, 0), ["hosts/node-2"]),
        ((0, -31, 0), ["hosts/node-2"]),
        ((31, 0), ["hosts/node-1"]),  # the worker decides between two hosts
        ((0, -31), ["hosts/node-2"]),
        ((-6 * 365 * DAY,), ["hosts/node-1"]),
        ((3 * DAY, 3 * DAY, 3 * DAY), ["worker"]),
        ((-3 * DAY, -3 * DAY), ["worker"]),
        ((3 * DAY, 3 * DAY + 10, 0), ["hosts/node-1", "hosts/node-2"]),
        ((3 * DAY, 3 * DAY + 10, 3 * DAY, 0), ["hosts/node-4", "worker"]),
        ((3 * DAY, 0, 5), ["hosts/node-1"]),
        ((DAY, 2 * DAY, 3 * DAY), ["hosts/node-1", "hosts/node-2", "hosts/node-3"]),
        ((0, 30, 0), []),
        ((-29, 29), []),
        ((20, 45, 50), ["worker"]),
    ],
)
def test_the_clock_that_differs_from_most_is_blamed(a_spec: Make, some_facts: Make, offsets: tuple[float, ...], wrong: list[str]) -> None:
    """The worker's clock counts as one; in a tie it is right."""
    problems = clock_problems(a_spec, some_facts, *offsets)
    assert {problem.code for problem in problems} <= {"clock-off"}
    assert [problem.path.removesuffix("/clock") for problem in problems] == wrong


def test_the_difference_and_its_direction_are_named(a_spec: Make, some_facts: Make) -> None:
    """In the largest unit that fits, and with a remedy."""
    (ahead,) = clock_problems(a_spec, some_facts, 0, 31, 0)
    assert ahead.code == "clock-off"
    assert "31 s ahead of the clock of 2 other hosts and the worker" in ahead.message
    (behind,) = clock_problems(a_spec, some_facts, -6 * 365 * DAY)
    assert "2190 days behind the clock of the worker" in behind.message
    assert "the machine of the worker" in behind.hint
    (worker,) = clock_problems(a_spec, some_facts, 3 * DAY, 3 * DAY)
    assert "node-1, node-2 agree, and are 3 days ahead of the clock of the worker" in worker.message


@pytest.mark.parametrize(("uncertainty", "reported"), [(9, True), (11, False)])
def test_a_slow_connection_does_not_make_a_clock_wrong(a_spec: Make, some_facts: Make, uncertainty: float, reported: bool) -> None:
    """An offset is known to half the round trip only."""
    assert bool(clock_problems(a_spec, some_facts, 0, 0, 40, uncertainty=uncertainty)) is reported


@pytest.mark.parametrize(("year", "owner", "expected"), [
    (2020, "demo", ["ca-not-valid-now"]),
    (2026, "demo", []),
    (2040, "demo", ["ca-not-valid-now"]),
])  # fmt: skip
def test_the_certificate_authority_is_valid_at_the_clock_of_its_host(
    a_spec: Make, some_facts: Make, year: int, owner: str, expected: list[str]
) -> None:
    """A clock that was set back, or an authority that was made with a wrong clock."""
    state = KubernetesState(ca_valid_from=datetime(2025, 1, 1, tzinfo=UTC), ca_valid_until=datetime(2035, 1, 1, tzinfo=UTC))
    facts = replace(some_facts(1, owner=owner, kubernetes=state), clock=datetime(year, 6, 1, tzinfo=UTC))
    problems = check_facts(a_spec(), {"node-1": facts}, bundle_architecture="amd64", bundle_size=1)
    assert [problem.code for problem in problems] == expected
    assert all("2025-01-01" in problem.message or "2035-01-01" in problem.message for problem in problems)
