"""The proposal's cases as lists of steps; tests/flows/test_cases.py runs them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cluster.vocabulary.errors import ClusterError
from demo.cases import CASES
from demo.cases.environment import CaseEnvironment, expect
from demo.local_prefect import LocalPrefect


@pytest.fixture
def environment(tmp_path: Path) -> CaseEnvironment:
    """An environment where nothing runs."""
    prefect = LocalPrefect(tmp_path)
    prefect.state.mkdir()
    return CaseEnvironment(prefect, "nowhere", "registry.example/probe:1")


@pytest.mark.parametrize(("number", "last"), [(1, 5), (2, 8)])
def test_the_steps_are_in_the_proposals_order(environment: CaseEnvironment, number: int, last: int) -> None:
    """Each step has the number of the proposal, in ascending order without a gap; no step runs."""
    numbers = [tuple(map(int, re.findall(r"(\d+)\.", step.title))) for step in CASES[number](environment)]
    assert numbers == sorted(numbers)
    first, through = min(numbers)[0], {each for some in numbers for each in range(some[0], some[-1] + 1)}
    assert through == set(range(first, last + 1))


def test_a_command_that_fails_ends_the_case_with_its_output(environment: CaseEnvironment) -> None:
    """The error has the exit code and the output of the command."""
    with pytest.raises(ClusterError, match=r"check .*no-such-file.* ended with exit code 2:\n(?s:.*)cannot be read"):
        environment.output_of("check", "no-such-file.yaml")
    with pytest.raises(ClusterError, match="ended with exit code 2"):
        environment.run("check", "no-such-file.yaml")


def test_a_difference_from_the_proposal_is_an_error() -> None:
    """The error says what was expected and what was found."""
    expect(True, "anything", "anything")
    with pytest.raises(ClusterError, match="expected: CoreDNS is Pending; found:\ncoredns-1 Running"):
        expect(False, "CoreDNS is Pending", "coredns-1 Running")
