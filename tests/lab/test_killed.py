"""`lab up` and `lab down` after everything of theirs was killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.vocabulary.families import Family
from demo.local_prefect import SIXSTACK
from lab import host, hosts, state
from tests.lab.machine import remains

pytestmark = pytest.mark.lab

REPOSITORY = Path(__file__).parents[2]


# how far `up` has come, and how that is seen
REACHED: dict[str, Callable[[str], bool]] = {
    "folder": lambda lab: state.lab_folder(lab).exists(),
    "bridge": lambda lab: Path(f"/sys/class/net/six-{lab}").exists(),
    "disk": lambda lab: f"/{lab}-1/" in Path("/proc/self/mountinfo").read_text(),
    "launched": lambda lab: any(host._outside(machine) for machine in _machines(lab)),
    "one-boots": lambda lab: any(host.init_pid(machine) for machine in _machines(lab)),
    "all-boot": lambda lab: len(_machines(lab)) == 2 and all(host.init_pid(machine) for machine in _machines(lab)),
}


def _machines(lab: str) -> list[host.Machine]:
    known = state.load(lab) if state.lab_folder(lab).exists() else None
    return [host.Machine(known, number) for number in (1, 2)] if known else []


def _killed_up(lab: str, at: str) -> None:
    """Start `up` in a process of its own, and kill it and its children as soon as it has come so far."""
    command = [*SIXSTACK, "lab", "up", "--lab", lab, "--hosts", "2"]
    with subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not REACHED[at](lab):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("at", REACHED)
def test_up_after_a_killed_up(own_lab: str, at: str) -> None:
    """Wherever it was killed, the next one ends with every host running."""
    hosts.down(own_lab)
    _killed_up(own_lab, at)
    assert [host.state for host in hosts.up(own_lab, hosts=2)] == ["running", "running"]


@pytest.mark.parametrize("at", REACHED)
def test_down_after_a_killed_up(own_lab: str, at: str) -> None:
    """Wherever it was killed, `down` leaves nothing."""
    hosts.down(own_lab)
    _killed_up(own_lab, at)
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
    deadline = time.monotonic() + 60
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


# takes the place of mmdebstrap: the first time it goes on until nobody listens any more, with something mounted below its target
STAND_IN = """#!/bin/sh
for word; do case $word in *.building) target=$word ;; esac; done
if mkdir "$(dirname "$0")/once" 2>/dev/null; then
  mkdir "$target/proc"; mount -t proc none "$target/proc"
  while echo "I: installing essential packages..."; do sleep 0.1; done
  exit 1
fi
mkdir -p "$target/usr/bin"; : >"$target/usr/bin/ps"; echo "I: success"
"""


@pytest.mark.parametrize("mmdebstrap", ["stand-in", pytest.param("real", marks=pytest.mark.long)])
def test_a_base_whose_building_was_killed_is_built_anew(mmdebstrap: str, tmp_path: Path) -> None:
    """The half-built folder goes, its mounts too, and the lock does not outlive the builder. (A smaller base than the real one.)"""
    command = [sys.executable, str(Path(__file__).with_name("build_small_base.py")), str(tmp_path / "none")]
    programs = tmp_path / "programs"
    programs.mkdir()
    if mmdebstrap == "stand-in":
        (programs / "mmdebstrap").write_text(STAND_IN)
        (programs / "mmdebstrap").chmod(0o755)
    surroundings = {**os.environ, "SIXSTACK_CACHE": str(tmp_path / "cache"), "PATH": f"{programs}:{os.environ['PATH']}"}
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
    assert "the base is ready" in done.stdout
    (built,) = (tmp_path / "cache").iterdir()
    assert (built / "usr/bin/ps").exists()
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
