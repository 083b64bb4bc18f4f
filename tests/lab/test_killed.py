"""`lab up` and `lab down` after everything of theirs was killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.vocabulary.families import Family
from demo.local_prefect import SIXSTACK
from lab import host, hosts, state
from tests.lab.machine import remains

pytestmark = pytest.mark.lab

REPOSITORY = Path(__file__).parents[2]


def _killed_up(lab: str, after: float) -> None:
    """Start `up` in a process of its own and kill it and its children some seconds later."""
    command = [*SIXSTACK, "lab", "up", "--lab", lab, "--hosts", "2"]
    process = subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("after", [0.4, 0.6, 0.8, 1.0, 1.3, 1.7])
def test_up_after_a_killed_up(own_lab: str, after: float) -> None:
    """Wherever it was killed, the next one ends with every host running."""
    hosts.down(own_lab)
    _killed_up(own_lab, after)
    assert [host.state for host in hosts.up(own_lab, hosts=2)] == ["running", "running"]


@pytest.mark.parametrize("after", [0.5, 0.9, 1.4])
def test_down_after_a_killed_up(own_lab: str, after: float) -> None:
    """Wherever it was killed, `down` leaves nothing."""
    hosts.down(own_lab)
    _killed_up(own_lab, after)
    hosts.down(own_lab)
    assert remains(own_lab) == ""


@pytest.mark.parametrize("victim", ["init", "systemd-nspawn", "launcher", "all"])
def test_up_after_a_part_of_a_host_was_killed(own_lab: str, victim: str) -> None:
    """A host of which anything is missing is not shown as running (but for the launcher, whose work was done), and `up` mends it."""
    hosts.up(own_lab, hosts=2)
    machine = hosts.machine_of(f"{own_lab}-1", own_lab)
    init, supervisors = host.init_pid(machine), host._supervisors(machine)
    launchers = [pid for pid, _ in host._outside(machine) if pid not in supervisors]
    assert init is not None
    pids = {"init": [init], "systemd-nspawn": supervisors, "launcher": launchers, "all": [init, *supervisors, *launchers]}[victim]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while victim != "launcher" and hosts.status(own_lab)[0].state == "running" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [host.state for host in hosts.status(own_lab)] == ["running" if victim == "launcher" else "off", "running"]
    assert [host.state for host in hosts.up(own_lab)] == ["running", "running"]


def test_a_change_of_families_that_was_cut_short_is_done_by_the_next_up(own_lab: str) -> None:
    """The new families were written down and no host had moved yet: `up` without options moves them."""
    hosts.up(own_lab, hosts=1, families=(Family.IPV4, Family.IPV6))
    state.save(replace(hosts.lab_of(own_lab), families=(Family.IPV6,)))
    assert [[address.version for address in found.addresses] for found in hosts.up(own_lab)] == [[6]]
    assert "198.18" not in hosts.run_in(f"{own_lab}-1", ["ip", "address"], own_lab).stdout


def test_a_base_whose_building_was_killed_is_built_anew(tmp_path: Path) -> None:
    """The half-built folder goes, its mounts too, and the lock does not outlive the builder. (A smaller base than the real one.)"""
    command = [sys.executable, str(Path(__file__).with_name("build_small_base.py")), str(tmp_path / "none")]
    surroundings = {**os.environ, "SIXSTACK_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen(command, cwd=REPOSITORY, env=surroundings, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "installing essential" in line:
            break
    process.kill()
    process.wait()
    process.stdout.close()
    assert list((tmp_path / "cache").glob("*.building"))
    done = subprocess.run(command, cwd=REPOSITORY, env=surroundings, capture_output=True, text=True, check=True, timeout=600)
    assert "the base is built" in done.stdout
    (built,) = (tmp_path / "cache").iterdir()
    assert (built / "usr/bin/ps").exists()
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
