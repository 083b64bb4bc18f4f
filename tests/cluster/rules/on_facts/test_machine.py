"""Requirements of a machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cluster.facts.host_facts import Unknown
from cluster.rules.on_facts import check_facts
from cluster.vocabulary.problems import Severity

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("changes", "code", "path", "values"),
    [
        ({"memory": 1699 * 2**20}, "too-little-memory", "memory", ("1699 MB", "1700 MB")),
        ({"cpus": 1}, "too-few-cpus", "cpus", ("1", "2")),
        ({"swap": ("/dev/sda2", "/swap.img")}, "swap-on", "swap", ("/dev/sda2", "/swap.img")),
        ({"architecture": "arm64"}, "wrong-architecture", "architecture", ("arm64", "default", "amd64")),
        ({"disk_free": 2**30}, "too-little-disk", "disk", ("1024 MB", "/var/lib", "3072 MB")),
        ({"root": False}, "not-root", "ssh", ("user root",)),
        ({"missing_commands": ("losetup", "ip")}, "command-missing", "commands", ("losetup, ip",)),
        ({"unknown": (Unknown("sockets", "ValueError: x"),)}, "facts-unknown", "facts", ("sockets", "ValueError: x")),
    ],
)
def test_an_unsuitable_control_plane_is_reported(
    a_spec: Make, some_facts: Make, changes: dict[str, Any], code: str, path: str, values: tuple[str, ...]
) -> None:
    """Each fault has its own code, and a message with the values."""
    (problem,) = check_facts(a_spec(), {"node-1": some_facts(1, **changes)}, bundle_architecture="amd64", bundle_size=2**30)
    assert (problem.code, problem.path, problem.severity) == (code, f"hosts/node-1/{path}", Severity.ERROR)
    assert all(value in problem.message for value in values)
    assert problem.hint


def test_the_exact_limits_are_accepted(a_spec: Make, some_facts: Make) -> None:
    """1700 MB, 2 CPUs, and exactly the required free space."""
    facts = {"node-1": some_facts(1, memory=1700 * 2**20, cpus=2, disk_free=3 * 2**30)}
    assert check_facts(a_spec(), facts, bundle_architecture="amd64", bundle_size=2**30) == ()


def test_a_small_control_plane_is_accepted_if_kubeadm_is_told_to_ignore_it(a_spec: Make, some_facts: Make) -> None:
    """Each limit has its own name."""
    facts = {"node-1": some_facts(1, memory=2**30, cpus=1)}
    for names, codes in ((["NumCPU"], ["too-little-memory"]), (["mem"], ["too-few-cpus"]), (["all"], [])):
        found = check_facts(a_spec(kubeadm={"ignore_preflight": names}), facts, bundle_architecture="amd64", bundle_size=1)
        assert [problem.code for problem in found] == codes


def test_a_worker_may_be_small(a_spec: Make, some_facts: Make) -> None:
    """kubeadm has no limits for workers."""
    facts = {"node-2": some_facts(2, memory=2**29, cpus=1)}
    assert check_facts(a_spec(), facts, bundle_architecture="amd64", bundle_size=1) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"prepare": {"swap_off": True}},
        {"kubeadm": {"kubelet": {"failSwapOn": False}}},
        {"kubeadm": {"extra_args": {"kubelet": {"fail-swap-on": "false"}}}},
    ],
)
def test_swap_is_accepted_if_the_file_permits_it(a_spec: Make, some_facts: Make, changes: dict[str, Any]) -> None:
    """With `prepare.swap_off`, or with `failSwapOn: false`."""
    assert check_facts(a_spec(**changes), {"node-1": some_facts(1, swap=("/dev/sda2",))}, bundle_architecture="amd64", bundle_size=1) == ()


def test_a_prepared_host_needs_no_free_space_for_the_bundle(a_spec: Make, some_facts: Make) -> None:
    """A second run must not fail because of the disk usage of the first."""
    facts = {"node-1": some_facts(1, owner="demo", prepared="ab" * 32, disk_free=2**20)}
    assert check_facts(a_spec(), facts, bundle_architecture="amd64", bundle_size=2**30) == ()


def test_unknown_optional_facts_give_a_warning(a_spec: Make, some_facts: Make) -> None:
    """An unreadable firewall is a warning, not an error."""
    facts = {"node-1": some_facts(1, unknown=(Unknown("ufw", "ValueError: x"),))}
    (problem,) = check_facts(a_spec(), facts, bundle_architecture="amd64", bundle_size=1)
    assert (problem.code, problem.severity) == ("facts-incomplete", Severity.WARNING)


def test_problems_are_sorted_by_host(a_spec: Make, some_facts: Make) -> None:
    """So that people can fix one machine after another."""
    facts = {
        "node-2": some_facts(2, swap=("/dev/sda2",), architecture="arm64"),
        "node-1": some_facts(1, swap=("/dev/sda2",), architecture="arm64"),
    }
    problems = check_facts(a_spec(), facts, bundle_architecture="amd64", bundle_size=1)
    assert [problem.path.split("/")[1] for problem in problems] == ["node-1", "node-1", "node-2", "node-2"]
