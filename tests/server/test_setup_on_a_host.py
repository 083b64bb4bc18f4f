"""`sixstack setup` on a management machine with systemd: a lab host with Debian's Python, and the project from a folder of wheels."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from lab import hosts
from lab.base import DEPLOY_USER
from lab.host import Machine
from tests.conftest import BOTH, LABS, say

pytestmark = [pytest.mark.lab, pytest.mark.long]

LAB = f"{LABS}-m"
HOST = f"{LAB}-1"
ROOT = Path(__file__).parents[2]
CHECKOUT = "/opt/sixstack"
FOLDER = "/srv/sixstack"
SIXSTACK = f"{CHECKOUT}/.venv/bin/sixstack"
UNITS = ("sixstack-prefect-server.service", "sixstack-prefect-worker.service")
RUN = """
import asyncio, sys
from prefect import flow, get_client
from prefect.states import Running
@flow
def interrupted(): ...
async def main():
    async with get_client() as client:
        print((await client.create_flow_run(interrupted, state=Running())).id)
asyncio.run(main())
"""


@dataclass(frozen=True)
class ManagementMachine:
    """A lab host on which commands run as root."""

    machine: Machine

    def run(self, *argv: str, limit: float = 300, feed: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program; never raises on its exit code."""
        return hosts.run_in(HOST, ["env", "HOME=/root", "LANG=C.UTF-8", *argv], LAB, limit=limit, feed=feed)

    def output(self, *argv: str, limit: float = 300) -> str:
        """Run a program that must succeed."""
        done = self.run(*argv, limit=limit)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def status(self) -> dict[str, Any]:
        """What `sixstack server status` knows."""
        return dict(json.loads(self.run(SIXSTACK, "server", "status", "--output", "json").stdout))

    def reboot(self) -> None:
        """Reboot, and wait until systemd has started everything."""
        before = self.output("cat", "/proc/sys/kernel/random/boot_id", "/proc/1/stat")
        self.run("systemctl", "reboot")
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            time.sleep(1)
            try:
                now = self.run("cat", "/proc/sys/kernel/random/boot_id", "/proc/1/stat", limit=20)
                if now.returncode == 0 and now.stdout != before and not self.run("systemctl", "is-active", "ssh", limit=20).returncode:
                    return
            except Exception as error:  # the host is off
                say(f"{HOST}: {error}")
        pytest.fail("the host did not boot again")


@pytest.fixture(scope="module")
def management(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagementMachine]:
    """A host with the project installed as the how-to says, without a connection to a package index."""
    try:
        hosts.up(LAB, hosts=1, families=BOTH, management=BOTH, report=say)
        machine = hosts.machine_of(HOST, LAB)
        found = ManagementMachine(machine)
        install_python(machine, tmp_path_factory.mktemp("packages"))
        install_project(found, tmp_path_factory.mktemp("wheels"))
        yield found
    finally:
        hosts.down(LAB, report=say)


def install_python(machine: Machine, folder: Path) -> None:
    """Debian's python3 and python3-venv, resolved against the packages of the host and downloaded by this machine."""
    (folder / "partial").mkdir()
    options = {
        "Dir::State::status": machine.root / "var/lib/dpkg/status",
        "Dir::Cache::archives": folder,
        "APT::Install-Recommends": "false",
        "Debug::NoLocking": "true",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    subprocess.run(["apt-get", *words, "-q", "-y", "--download-only", "install", "python3", "python3-venv"], check=True, timeout=300)
    shutil.copytree(folder, machine.root / "opt/packages", ignore=shutil.ignore_patterns("partial", "lock"))
    # apt-get puts them in order, which dpkg does not
    install = "DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install /opt/packages/*.deb"
    done = hosts.run_in(HOST, ["sh", "-c", install], LAB, limit=300)
    assert done.returncode == 0, done.stdout + done.stderr


def install_project(management: ManagementMachine, folder: Path) -> None:
    """A checkout, and the packages of the second lock as wheels."""
    lock = ROOT / "requirements-run.lock"
    version = management.output("python3", "-c", "import platform; print(platform.python_version())").strip()
    wanted = folder / "wanted.txt"
    wanted.write_text(without_markers(lock.read_text(encoding="utf-8"), version), encoding="utf-8")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        "--python-version",
        version,
    ]
    subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", str(wanted), "-d", str(folder / "wheels")], check=True, timeout=600)
    root = management.machine.root
    shutil.copytree(folder / "wheels", root / "opt/wheels")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, tracked):
        target = root / CHECKOUT.lstrip("/") / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    python = f"{CHECKOUT}/.venv/bin/python"
    install = (python, "-m", "pip", "install", "-q", "--no-index", "--find-links", "/opt/wheels")
    management.output("python3", "-m", "venv", f"{CHECKOUT}/.venv")
    management.output(*install, "--require-hashes", "-r", f"{CHECKOUT}/{lock.name}", "-c", f"{CHECKOUT}/{lock.name}", limit=900)
    management.output(*install, "--no-deps", "--no-build-isolation", "-e", CHECKOUT)


def without_markers(lock: str, version: str) -> str:
    """The entries of a lock for a Linux machine with this Python: pip compares markers with its own, which may be newer."""
    kept = []
    for entry in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE):
        named, _, rest = entry.partition("\n")
        if not named:
            continue
        requirement = Requirement(named.rstrip("\\ "))
        environment = {"python_full_version": version, "python_version": version.rpartition(".")[0]}
        if requirement.marker is None or requirement.marker.evaluate(environment):
            kept.append(f"{requirement.name}{requirement.specifier} \\\n{rest}")
    return "".join(kept)


def wait_until_all_runs(management: ManagementMachine, limit: float = 180) -> dict[str, Any]:
    """The status once the server answers and the worker runs: without any command that would start them."""
    deadline = time.monotonic() + limit
    while True:
        found = management.status()
        if found["answers"] and all(found[name]["runs"] for name in ("server", "worker")):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(2)


def test_setup_survives_a_reboot_and_leaves_records_and_copies(management: ManagementMachine) -> None:
    """Units of the system run server and worker; a run that the reboot interrupted is Crashed; the purge keeps what cannot be made again."""
    assert management.run(f"{CHECKOUT}/.venv/bin/python", "-c", "import pytest").returncode != 0, "a tool of development is installed"
    start = time.monotonic()
    said = management.output(SIXSTACK, "setup", limit=600)
    say(f"setup: {time.monotonic() - start:.0f} s\n{said}")
    assert "systemd unit" in said
    assert "unchanged" in management.output(SIXSTACK, "setup", limit=600)
    password = management.output("grep", "-m1", "auth_string", f"{FOLDER}/prefect.toml").split('"')[1]
    assert management.output("stat", "-c", "%a", f"{FOLDER}/prefect.toml", f"{FOLDER}/prefect/prefect.db").split() == ["600", "600"]
    for unit in UNITS:
        assert management.output("systemctl", "is-enabled", unit).strip() == "enabled"
        seen = management.output("systemctl", "cat", unit) + management.output("journalctl", "-o", "cat", "--no-pager", "-u", unit)
        assert "Started" in seen
        assert password not in seen

    # a run that was executed when the machine went down
    run = management.output("env", "-C", FOLDER, f"{CHECKOUT}/.venv/bin/python", "-c", RUN).split()[-1]
    pid = management.output("systemctl", "show", "-P", "MainPID", UNITS[1])
    management.reboot()
    start = time.monotonic()
    found = wait_until_all_runs(management)
    say(f"server and worker answer {time.monotonic() - start:.0f} s after the boot")
    assert found["blocks"]["audit-store"] == f"{FOLDER}/audit"
    assert management.output("systemctl", "show", "-P", "MainPID", UNITS[1]) != pid
    deadline = time.monotonic() + 60
    while "CRASHED" not in (shown := management.output("env", "-C", FOLDER, f"{CHECKOUT}/.venv/bin/prefect", "flow-run", "inspect", run)):
        assert time.monotonic() < deadline, shown
        time.sleep(2)
    assert f"flow-run retry {run}" in management.output(SIXSTACK, "server", "status")

    # a worker that is killed starts again
    management.output("systemctl", "kill", "-s", "KILL", UNITS[1])
    wait_until_all_runs(management)

    management.output(SIXSTACK, "server", "down")
    assert management.run(SIXSTACK, "server", "status").returncode == 3
    management.output(SIXSTACK, "server", "up")
    assert management.run(SIXSTACK, "server", "down", "--purge", "--confirm", "/srv").returncode == 2
    kept = management.output(SIXSTACK, "server", "down", "--purge", "--confirm", FOLDER)
    assert f"kept: {FOLDER}/backups" in kept
    left = set(management.output("find", FOLDER, "-mindepth", "1", "-maxdepth", "1").split())
    assert left <= {f"{FOLDER}/backups", f"{FOLDER}/audit"}
    assert management.output("ls", f"{FOLDER}/backups").split() == ["identity.txt"]
    for unit in UNITS:
        assert management.run("systemctl", "cat", unit).returncode != 0


def test_another_user_gets_units_of_its_own_manager(management: ManagementMachine) -> None:
    """In its home, without root. The host has no logind: this test starts the user's manager, and lingering cannot be allowed."""
    uid = management.output("id", "-u", DEPLOY_USER).strip()
    runtime, home = f"/run/user/{uid}", f"/home/{DEPLOY_USER}"
    management.output("install", "-d", "-m", "0700", "-o", DEPLOY_USER, runtime)
    management.output("install", "-d", "-m", "0700", "/tmp/runner_storage")  # of another user's worker
    manager = ("--property=Delegate=yes", f"--setenv=XDG_RUNTIME_DIR={runtime}", "/lib/systemd/systemd", "--user")
    management.output("systemd-run", "--unit=manager-of-the-user", f"--uid={DEPLOY_USER}", *manager)

    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        environment = ("env", "-C", "/", f"HOME={home}", f"XDG_RUNTIME_DIR={runtime}")
        return management.run("runuser", "-u", DEPLOY_USER, "--", *environment, *argv, limit=600)

    deadline = time.monotonic() + 30
    while run("systemctl", "--user", "show-environment").returncode:
        assert time.monotonic() < deadline, run("systemctl", "--user", "show-environment").stderr
        time.sleep(1)
    done = run(SIXSTACK, "setup")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"folder: {home}/.local/share/sixstack" in done.stdout
    assert "a systemd unit of the user" in done.stdout
    assert f"loginctl enable-linger {DEPLOY_USER}" in done.stdout
    for unit in UNITS:
        assert run("systemctl", "--user", "is-enabled", unit).stdout.strip() == "enabled"
        pid = run("systemctl", "--user", "show", "-P", "MainPID", unit).stdout.strip()
        assert management.output("stat", "-c", "%U", f"/proc/{pid}").strip() == DEPLOY_USER
    assert run(SIXSTACK, "clusters").returncode == 0
    assert run(SIXSTACK, "server", "down", "--purge", "--confirm", f"{home}/.local/share/sixstack").returncode == 0
    assert run("find", f"{home}/.config/systemd", "-name", "sixstack*").stdout == ""
