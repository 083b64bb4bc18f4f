"""Real SSH servers: sshd on loopback for the fast tests, one lab host for what needs systemd, sudo and passwords."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.families import Family
from cluster.vocabulary.spec import SSH, Host, Role
from hosts.session import Session
from tests.hosts.sshd import Sshd, start_sshd

LAB = "thosts"


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

    def start(address: str = "127.0.0.1", settings: str = "") -> Sshd:
        folder = tmp_path / f"sshd-{len(servers)}"
        folder.mkdir()
        servers.append(start_sshd(folder, address, settings=settings))
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
def machine() -> Iterator[LabMachine]:
    """A bare Debian with systemd: root by key, ops by key or password with a password for sudo, deploy by key with sudo for nothing."""
    from lab import hosts

    (up,) = hosts.up(LAB, hosts=1, families=(Family.IPV4, Family.IPV6), management=(Family.IPV4, Family.IPV6), say=lambda _line: None)
    lab = hosts.lab_of(LAB)
    try:
        passwords = json.loads((lab.key_file.parent / "passwords.json").read_text())
        yield LabMachine(up.name, tuple(map(str, up.addresses)), up.host_key, lab.key_file.read_text(), passwords["ops"])
    finally:
        hosts.down(LAB)


@pytest.fixture
def root_session(machine: LabMachine) -> Iterator[Session]:
    """A session with the lab's host as root."""
    opened = machine.open()
    yield opened
    opened.close()
