"""A lab host as management machine: Debian's Python, and the project from a folder of wheels, without a connection to a package index."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from lab import cgroup, hosts
from lab.host import Machine
from tests.conftest import say

ROOT = Path(__file__).parents[2]
CHECKOUT = "/opt/sixstack"
FOLDER = "/srv/sixstack"
SIXSTACK = f"{CHECKOUT}/.venv/bin/sixstack"
PREFECT = f"{CHECKOUT}/.venv/bin/prefect"
UNITS = ("sixstack-prefect-server.service", "sixstack-prefect-worker.service")


@dataclass(frozen=True)
class ManagementMachine:
    """A lab host on which commands run as root."""

    machine: Machine

    def run(self, *argv: str, limit: float = 300, feed: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program; never raises on its exit code."""
        words = ["env", "HOME=/root", "LANG=C.UTF-8", *argv]
        return hosts.run_in(self.machine.name, words, self.machine.lab.name, limit=limit, feed=feed)

    def output(self, *argv: str, limit: float = 300, feed: str | None = None) -> str:
        """Run a program that must succeed."""
        done = self.run(*argv, limit=limit, feed=feed)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def status(self) -> dict[str, Any]:
        """What `sixstack server status` knows."""
        return dict(json.loads(self.run(SIXSTACK, "server", "status", "--output", "json").stdout))

    def has_flow_run(self) -> bool:
        """Whether the process of a flow run is alive, as seen from outside: also while the machine shuts down."""
        for pid in cgroup.processes(self.machine.lab.name, self.machine.name):
            try:
                if b"prefect.engine" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return True
            except OSError:  # it has ended
                continue
        return False

    def begin_reboot(self) -> str:
        """Returns what tells this boot from the next one."""
        this_boot = self.output("cut", "-d", " ", "-f", "22", "/proc/1/stat")
        self.run("systemctl", "reboot")
        return this_boot

    def wait_for_boot(self, last: str) -> None:
        """Wait until systemd has started everything after `last`, as `begin_reboot` returned it."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            time.sleep(1)
            try:
                now = self.run("cut", "-d", " ", "-f", "22", "/proc/1/stat", limit=20)
                if now.returncode == 0 and now.stdout != last and not self.run("systemctl", "is-active", "ssh", limit=20).returncode:
                    return
            except Exception as error:  # the host is off
                say(f"{self.machine.name}: {error}")
        pytest.fail("the host did not boot again")

    def wait_until_all_runs(self, limit: float = 180) -> dict[str, Any]:
        """The status once the server answers and the worker runs: without any command that would start them."""
        deadline = time.monotonic() + limit
        while True:
            found = self.status()
            if found["answers"] and all(found[name]["runs"] for name in ("server", "worker")):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(2)


def install_packages(management: ManagementMachine, folder: Path, *names: str) -> None:
    """Packages of Debian, resolved against those of the host and downloaded by this machine."""
    machine = management.machine
    (folder / "partial").mkdir()
    options = {
        "Dir::State::status": machine.root / "var/lib/dpkg/status",
        "Dir::Cache::archives": folder,
        "APT::Install-Recommends": "false",
        "Debug::NoLocking": "true",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    subprocess.run(["apt-get", *words, "-qq", "-y", "--download-only", "install", *names], check=True, timeout=300)
    packages = machine.root / "opt/packages"
    shutil.copytree(folder, packages, ignore=shutil.ignore_patterns("partial", "lock"))
    # apt-get puts them in order, which dpkg does not
    install = "DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install /opt/packages/*.deb"
    management.output("sh", "-c", install)
    shutil.rmtree(packages)


def install_project(management: ManagementMachine, folder: Path) -> None:
    """A checkout, and the packages of the second lock as wheels."""
    lock = ROOT / "requirements-run.lock"
    version = management.output("python3", "-c", "import platform; print(platform.python_version())").strip()
    wanted = folder / "wanted.txt"
    wanted.write_text(_without_markers(lock.read_text(encoding="utf-8"), version), encoding="utf-8")
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


def _without_markers(lock: str, version: str) -> str:
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
