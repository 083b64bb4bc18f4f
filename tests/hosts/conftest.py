"""Real SSH servers: sshd on loopback for the fast tests, one lab host for what needs systemd, sudo and passwords."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.spec import SSH, Host, Role
from hosts.session import Session
from lab import hosts
from lab.host import Machine
from lab.state import LabHost
from tests.conftest import BOTH, LAB
from tests.hosts.sshd import Sshd, start_sshd


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """An SSH server with default settings, shared: a test that kills connections must only kill its own."""
    server = start_sshd(tmp_path_factory.mktemp("sshd"), host_keys=("ed25519", "ecdsa", "rsa"))
    yield server
    server.stop()


@pytest.fixture
def own_sshd(tmp_path: Path) -> Iterator[Callable[..., Sshd]]:
    """Starts SSH servers for one test, with settings of its own."""
    servers: list[Sshd] = []

    def start(address: str = "127.0.0.1", settings: str = "", host_keys: tuple[str, ...] = ("ed25519",)) -> Sshd:
        folder = tmp_path / f"sshd-{len(servers)}"
        folder.mkdir()
        servers.append(start_sshd(folder, address, settings=settings, host_keys=host_keys))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def session(sshd: Sshd) -> Iterator[Session]:
    """A session with the shared server."""
    opened = Session.open("loopback", sshd.ssh(), sshd.credential)
    yield opened
    opened.close()


@dataclass(frozen=True)
class LabMachine:
    """The lab's host and the ways to log in to it."""

    name: str
    addresses: tuple[str, ...]
    host_key: str
    key: str
    password: str  # of user ops, for login and for sudo

    def ssh(self, user: str = "root", *, address: int = 0) -> SSH:
        """Where it answers; address 0 is IPv4, 1 is IPv6."""
        return SSH(address=self.addresses[address], user=user, host_key=self.host_key)

    def host(self) -> Host:
        """It as a host of a cluster file."""
        return Host(name=self.name, role=Role.WORKER, ssh=self.ssh())

    def open(self, user: str = "root", *, address: int = 0, credential: Credential | None = None) -> Session:
        """A new session; with the key, unless a credential is given."""
        return Session.open(self.name, self.ssh(user, address=address), lambda _name: credential or Credential(private_key=self.key))


@pytest.fixture(scope="session")
def machine(lab_hosts: tuple[LabHost, ...]) -> LabMachine:  # noqa: ARG001
    """A bare Debian with systemd: root by key, ops by key or password with a password for sudo, deploy by key with sudo for nothing."""
    first, lab = hosts.up(LAB, families=BOTH, management=BOTH)[0], hosts.lab_of(LAB)
    return LabMachine(first.name, tuple(map(str, first.addresses)), first.host_key, lab.key_file.read_text(), lab.sudo_password())


@pytest.fixture
def root_session(machine: LabMachine) -> Iterator[Session]:
    """A session with the lab's host as root."""
    opened = machine.open()
    yield opened
    opened.close()


@pytest.fixture
def lab_machine(machine: LabMachine) -> Machine:
    """The lab's host as something to put faults on."""
    return hosts.machine_of(machine.name, LAB)
