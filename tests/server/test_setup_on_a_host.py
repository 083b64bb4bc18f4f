"""`sixstack setup` on management machines with systemd: lab hosts with Debian's Python, and the project from a folder of wheels.

All hosts have IPv6 alone: a database, a server behind nginx, its worker, another machine with a worker, and two hosts that become clusters.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.plan.create import INIT_CONTROL_PLANE
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.families import Family, StackMode
from lab import host, hosts, state
from lab.base import DEPLOY_USER
from lab.spec import cluster_document, cluster_file
from lab.state import Lab
from server.folder import LOST
from server.setup import Installation
from tests.conftest import LABS, say
from tests.server.conditions import wait
from tests.server.management_machine import (
    CHECKOUT,
    FOLDER,
    PREFECT,
    ROOT,
    SIXSTACK,
    UNITS,
    ManagementMachine,
    install_packages,
    install_project,
)
from tests.server.team_certificate import issue

pytestmark = [pytest.mark.lab, pytest.mark.long]

LAB = f"{LABS}-m"
CLUSTER_HOSTS = (1, 2)
WORKER = "prefect.worker.name"  # label of a run
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
# what a run leaves on a host: the units of its detached steps that are active, the attempts of each step, and its lock
TRACES = """
systemctl list-units --plain --no-legend 'sixstack-*' | cut -d ' ' -f 1
echo --
cd /var/lib/sixstack/steps && for step in *; do echo "$step:$(cat "$step/attempt")"; done
echo --
flock -n /run/sixstack/lock true && echo free || echo held
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two hosts for a cluster, and two management machines."""
    try:
        hosts.up(LAB, hosts=4, families=(Family.IPV6,), management=(Family.IPV6,), report=say)
        yield hosts.lab_of(LAB)
    finally:
        hosts.down(LAB, report=say)


@pytest.fixture(scope="module")
def management(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> ManagementMachine:
    """A host with the project installed as the how-to says, without a connection to a package index."""
    found = ManagementMachine(hosts.machine_of(lab.host_name(3), LAB))
    install_packages(found, tmp_path_factory.mktemp("packages"), "python3", "python3-venv")
    install_project(found, tmp_path_factory.mktemp("wheels"))
    return found


@dataclass(frozen=True)
class Traces:
    """What a run left on a host."""

    active: list[str]  # units
    attempts: list[str]  # STEP:NUMBER
    lock: str  # free or held

    @classmethod
    def on(cls, name: str) -> Traces:
        """Looks at a host."""
        active, attempts, lock = hosts.run_in(name, ["sh", "-c", TRACES], LAB).stdout.split("--\n")
        return cls(active.split(), attempts.split(), lock.strip())


@dataclass(frozen=True)
class Team:
    """The server's machine, and its API as this machine sees it through nginx."""

    server: ManagementMachine
    url: str
    api: Installation
    authority: Path
    bundle: Path

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """None while the server does not answer."""
        try:
            return self.api.ask(method, path, body)
        except EnvironmentFault:  # nginx answers before the server does
            return None

    def run(self, run: str) -> dict[str, Any]:
        """A flow run; without a state while the server does not answer."""
        return self.ask("GET", f"/flow_runs/{run}") or {"state_type": None, "labels": {}}

    def begin_create(self, name: str) -> str:
        """The id of a run that creates a cluster on hosts that were never used, once kubeadm init has begun."""
        lab = hosts.lab_of(LAB)
        with state.locked(lab.folder):
            for number in CLUSTER_HOSTS:
                host.scrap(hosts.machine_of(lab.host_name(number), LAB))
        found = hosts.up(LAB, report=say)
        document = cluster_document(lab, found, StackMode.IPV6, Family.IPV6, count=len(CLUSTER_HOSTS))
        file = self.server.machine.root / f"root/{name}.yaml"
        file.write_text(cluster_file({**document, "name": name, "bundle": "default"}), encoding="utf-8")
        said = self.server.output(SIXSTACK, "create", f"/root/{name}.yaml", "--detach")
        (run,) = set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", said))
        return str(run)

    def wait_for_init(self) -> None:
        """Until kubeadm init has written the authority, some seconds before the API server answers."""
        wait((hosts.machine_of(f"{LAB}-1", LAB).root / "etc/kubernetes/pki/ca.crt").exists, 240)

    def wait_for_end(self, run: str) -> None:
        """Until a run has completed."""
        wait(lambda: self.run(run)["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}, 400)
        assert self.run(run)["state_type"] == "COMPLETED", self.run(run)["state"]

    def missing_steps(self, name: str) -> list[Any]:
        """What another create would do."""
        shown = self.server.output(SIXSTACK, "plan", f"/root/{name}.yaml", "--no-verify", "--output", "json")
        return list(json.loads(shown)["steps"])


@pytest.fixture(scope="module")
def team(management: ManagementMachine, bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """As docs/how-to/team.md says, on one machine: PostgreSQL, the server, its worker, and nginx."""
    folder, root = tmp_path_factory.mktemp("team"), management.machine.root
    (address,) = management.machine.addresses
    install_packages(management, tmp_path_factory.mktemp("team-packages"), "nginx", "postgresql")
    password = start_database(management, str(address))
    issue(folder, f"IP:{address}")
    (root / "etc/ssl/prefect").mkdir()
    for name in ("fullchain.pem", "key.pem"):
        shutil.copy(folder / name, root / "etc/ssl/prefect")
    shipped = (ROOT / "deployments/team/nginx.conf").read_text(encoding="utf-8")
    assert shipped.count("server_name prefect.example;") == 1
    (root / "etc/nginx/conf.d/prefect.conf").write_text(shipped.replace("server_name prefect.example;", "server_name _;"))
    management.output("systemctl", "restart", "nginx")
    copy_bundle(bundle_folder, management)
    url, start = f"https://[{address}]", time.monotonic()
    database = ("--postgres", f"postgresql://sixstack@[{address}]:5432/sixstack", "--password-file", "-")
    management.output(SIXSTACK, "setup", *database, "--public-url", url, "--bundle", "/opt/bundle", limit=600, feed=password + "\n")
    say(f"setup with PostgreSQL: {time.monotonic() - start:.0f} s")
    key = root / "root/id_ed25519"
    key.write_text(hosts.lab_of(LAB).key_file.read_text())
    key.chmod(0o600)
    management.output(SIXSTACK, "credential", "add", f"lab-{LAB}", "--key", "/root/id_ed25519")
    auth = management.output("grep", "-m1", "auth_string", f"{FOLDER}/prefect.toml").split('"')[1]
    api = Installation(folder / "api")
    api.root.mkdir()
    api.settings.write_for(f"{url}/api", auth, home=api.home, authority=folder / "ca.pem")
    return Team(management, url, api, folder / "ca.pem", bundle_folder)


def start_database(management: ManagementMachine, address: str) -> str:
    """Debian's PostgreSQL, over IPv6 with a password; the password."""
    password = "correct horse: 'battery' staple"
    (found,) = (management.machine.root / "etc/postgresql").glob("*/main")
    with (found / "pg_hba.conf").open("a") as file:
        file.write(f"host sixstack sixstack {address}/128 scram-sha-256\n")
    (found / "conf.d/ipv6.conf").write_text("listen_addresses = '::'\n")
    management.output("systemctl", "restart", f"postgresql@{found.parent.name}-main")
    quoted = password.replace("'", "''")
    make = f"CREATE ROLE sixstack LOGIN PASSWORD '{quoted}';\nCREATE DATABASE sixstack OWNER sixstack;\n"
    management.output("runuser", "-u", "postgres", "--", "psql", "-v", "ON_ERROR_STOP=1", "-q", feed=make)
    return password


def copy_bundle(bundle: Path, management: ManagementMachine) -> None:
    """To the folder that is the same on all machines with a worker."""
    shutil.copytree(bundle, management.machine.root / "opt/bundle")


@pytest.fixture(scope="module")
def other(team: Team, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> ManagementMachine:
    """Another machine with a worker of the team's server, with the same checkout."""
    other = ManagementMachine(hosts.machine_of(lab.host_name(4), LAB))
    install_packages(other, tmp_path_factory.mktemp("packages"), "python3", "python3-venv")
    checkout = CHECKOUT.lstrip("/")
    subprocess.run(["cp", "-a", team.server.machine.root / checkout, other.machine.root / checkout], check=True, timeout=300)
    copy_bundle(team.bundle, other)
    shutil.copy(team.authority, other.machine.root / "etc/ssl/prefect-ca.pem")
    auth, start = ":".join(team.api.settings.credential), time.monotonic()
    server = ("--server", team.url, "--ca-file", "/etc/ssl/prefect-ca.pem", "--password-file", "-")
    other.output(SIXSTACK, "setup", *server, limit=600, feed=auth + "\n")
    say(f"setup of the other machine: {time.monotonic() - start:.0f} s")
    return other


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
    management.wait_for_boot(management.begin_reboot())
    start = time.monotonic()
    found = management.wait_until_all_runs()
    say(f"server and worker answer {time.monotonic() - start:.0f} s after the boot")
    assert found["blocks"]["audit-store"] == f"{FOLDER}/audit"
    assert management.output("systemctl", "show", "-P", "MainPID", UNITS[1]) != pid
    deadline = time.monotonic() + 60
    while "CRASHED" not in (shown := management.output("env", "-C", FOLDER, PREFECT, "flow-run", "inspect", run)):
        assert time.monotonic() < deadline, shown
        time.sleep(2)
    assert f"flow-run retry {run}" in management.output(SIXSTACK, "server", "status")

    # a worker that is killed starts again
    management.output("systemctl", "kill", "-s", "KILL", UNITS[1])
    management.wait_until_all_runs()

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


def test_a_create_that_a_reboot_interrupts_is_completed_with_the_command_that_status_shows(team: Team) -> None:
    """The management machine reboots in kubeadm init, which goes on. Nobody starts anything on it but the command."""
    run = team.begin_create("rebooted")
    team.wait_for_init()
    begin = time.monotonic()
    boot = team.server.begin_reboot()
    wait(lambda: not team.server.has_flow_run(), 60)
    say(f"the run's process ended {time.monotonic() - begin:.0f} s after the command to reboot")
    left = wait(lambda: (found := Traces.on(f"{LAB}-1")).lock == "free" and found, 10)
    say(f"the run left on the first host: {left}")
    assert [unit for unit in left.active if f"-{INIT_CONTROL_PLANE}-" in unit], "kubeadm init did not go on"
    team.server.wait_for_boot(boot)
    say(f"booted after {time.monotonic() - begin:.0f} s")
    wait(lambda: team.run(run)["state_type"] == "CRASHED", 180)
    say(f"Crashed after {time.monotonic() - begin:.0f} s: {team.run(run)['state']['message']}")
    assert team.run(run)["state"]["message"] == LOST
    status = team.server.wait_until_all_runs()
    assert [found["id"] for found in status["interrupted_runs"]] == [run]
    (command,) = re.findall(r"(?m)^interrupted: .* To continue: (.+)$", team.server.output(SIXSTACK, "server", "status"))
    say(command)

    start = time.monotonic()
    team.server.output("sh", "-c", command)
    wait(lambda: team.run(run)["state_type"] != "CRASHED", 30)
    team.wait_for_end(run)
    say(f"converged {time.monotonic() - start:.0f} s after the command, {time.monotonic() - begin:.0f} s after the reboot")
    assert team.missing_steps("rebooted") == []
    assert team.server.status()["interrupted_runs"] == []
    now = Traces.on(f"{LAB}-1")
    say(f"the first host now: {now}")
    assert (now.active, now.lock) == ([], "free")
    assert f"{INIT_CONTROL_PLANE}:1" in now.attempts, "kubeadm init ran twice"


def test_a_create_whose_machine_loses_power_is_completed_by_the_worker_of_the_other_machine(team: Team, other: ManagementMachine) -> None:
    """In kubeadm init, without a command of a person: the automations mark the run and start a new one. The server's worker, restarted
    meanwhile, leaves the run of the other machine alone."""
    for automation in ("sixstack: mark killed runs", "sixstack: run killed runs again"):
        team.server.output("env", "-C", FOLDER, PREFECT, "automation", "resume", automation)
    team.server.output("systemctl", "stop", UNITS[1])
    run = team.begin_create("two-machines")
    wait(lambda: team.run(run)["state_type"] == "RUNNING", 60)
    assert team.run(run)["labels"][WORKER] == other.machine.name
    team.server.output(SIXSTACK, "server", "up")
    team.wait_for_init()
    assert team.run(run)["state_type"] == "RUNNING"
    hosts.power_off(other.machine.name, LAB)
    begin = time.monotonic()
    left = Traces.on(f"{LAB}-1")
    say(f"the run left on the first host: {left}")
    assert left.lock == "held", "the host knows that the other side has no power"
    assert [unit for unit in left.active if f"-{INIT_CONTROL_PLANE}-" in unit], "kubeadm init did not go on"
    wait(lambda: Traces.on(f"{LAB}-1").lock == "free", 75)
    say(f"the host gave its lock back after {time.monotonic() - begin:.0f} s")
    wait(lambda: team.run(run)["state_type"] == "CRASHED", 120)
    marked = time.monotonic() - begin
    assert team.run(run)["state"]["message"] == LOST
    deployment = {"deployments": {"id": {"any_": [team.run(run)["deployment_id"]]}}}
    before = {"expected_start_time": {"after_": team.run(run)["end_time"]}}
    (again,) = wait(lambda: team.ask("POST", "/flow_runs/filter", {**deployment, "flow_runs": before}), 30)
    wait(lambda: team.run(again["id"])["state_type"] == "RUNNING", 60)
    taken = time.monotonic() - begin
    assert team.server.status()["interrupted_runs"] == []
    team.wait_for_end(again["id"])
    say(f"Crashed after {marked:.0f} s, taken after {taken:.0f} s, converged {time.monotonic() - begin:.0f} s after the power failure")
    assert team.run(again["id"])["labels"][WORKER] == team.server.machine.name
    assert 85 < marked < 145
    assert team.missing_steps("two-machines") == []
    now = Traces.on(f"{LAB}-1")
    say(f"the first host now: {now}")
    assert (now.active, now.lock) == ([], "free")
    assert f"{INIT_CONTROL_PLANE}:1" in now.attempts, "kubeadm init ran twice"
