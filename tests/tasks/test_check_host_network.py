"""What somebody may write into the form of set-platform-host-network."""

from __future__ import annotations

from typing import Any

import pytest

from flows.set_platform_host_network import PLATFORM
from tasks.check_host_network import read_parameters


def test_the_forms_defaults_are_good() -> None:
    """TKEStack's two programs."""
    names, problems = read_parameters("global", list(PLATFORM), undo=False, available_seconds=180)
    assert [str(name) for name in names] == list(PLATFORM)
    assert problems == ()


def test_all_problems_are_reported_at_once() -> None:
    """Each parameter by its name."""
    names, problems = read_parameters("", ["tke", "a/b"], undo="no", available_seconds=0)
    assert {problem.path for problem in problems} == {"cluster", "undo", "available_seconds", "deployments[0]"}
    assert [str(name) for name in names] == ["a/b"]


@pytest.mark.parametrize("deployments", [None, "tke/api", [1], {"tke": "api"}, []])
def test_anything_but_a_list_of_names_is_a_problem(deployments: Any) -> None:
    """No traceback."""
    names, problems = read_parameters("global", deployments, undo=False, available_seconds=1)
    assert names == ()
    assert {problem.path for problem in problems} == {"deployments"}


@pytest.mark.parametrize("seconds", [True, "180", 1.5, None, -1])
def test_seconds_are_a_whole_number(seconds: Any) -> None:
    """True is none, in spite of Python."""
    _, (problem,) = read_parameters("global", ["a/b"], undo=False, available_seconds=seconds)
    assert problem.path == "available_seconds"
