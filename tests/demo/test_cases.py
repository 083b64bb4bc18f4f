"""The proposal's cases as lists of steps; tests/flows/test_cases.py plays them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cluster.vocabulary.errors import ClusterError
from demo.cases import CASES
from demo.cases.place import Place, expect
from demo.local_prefect import LocalPrefect


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place where nothing runs."""
    prefect = LocalPrefect(tmp_path)
    prefect.state.mkdir()
    return Place(prefect, "nowhere", "registry.example/probe:1")


@pytest.mark.parametrize(("number", "last"), [(1, 5), (2, 8)])
def test_the_steps_are_in_the_proposals_order(place: Place, number: int, last: int) -> None:
    """Each has its number there, none goes back, none is left out; nothing is done yet."""
    numbers = [tuple(map(int, re.findall(r"(\d+)\.", step.title))) for step in CASES[number](place)]
    assert numbers == sorted(numbers)
    first, through = min(numbers)[0], {each for some in numbers for each in range(some[0], some[-1] + 1)}
    assert through == set(range(first, last + 1))


def test_a_command_that_fails_ends_the_case_with_what_it_said(place: Place) -> None:
    """Not with a guess at what was not to be seen afterwards."""
    with pytest.raises(ClusterError, match=r"check .*no-such-file.* ended with exit code 2:\n(?s:.*)cannot be read"):
        place.read("check", "no-such-file.yaml")
    with pytest.raises(ClusterError, match="ended with exit code 2"):
        place.do("check", "no-such-file.yaml")


def test_what_is_not_as_the_proposal_shows_it_is_told() -> None:
    """What was expected, and what was found."""
    expect(True, "anything", "anything")
    with pytest.raises(ClusterError, match="expected: CoreDNS is Pending; found:\ncoredns-1 Running"):
        expect(False, "CoreDNS is Pending", "coredns-1 Running")
