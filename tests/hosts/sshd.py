"""A real OpenSSH server on loopback, with its own keys, configuration and port."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.spec import SSH, Endpoint, Host, Role


@contextmanager
def closed_port(address: str = "127.0.0.1") -> Iterator[int]:
    """A port that nobody listens on, nor can while inside: it is taken, by a socket that does not listen."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as holder:
        holder.bind((address, 0))
        yield int(holder.getsockname()[1])


def make_key(folder: Path, name: str, kind: str = "ed25519", passphrase: str = "", *options: str) -> Path:
    """A key pair by ssh-keygen; the path of the private key."""
    path = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path), *options], check=True, stdin=subprocess.DEVNULL
    )
    return path


@dataclass
class Sshd:
    """The server, and what a client needs to log in to it."""

    folder: Path
    address: str
    port: int
    process: subprocess.Popen[bytes]
    key: Path

    def host_key(self, kind: str = "ed25519") -> str:
        """The public host key of a type, as a cluster file pins it."""
        return " ".join((self.folder / f"host_{kind}.pub").read_text().split()[:2])

    def endpoint(self, **changes: object) -> Endpoint:
        """Where it answers, as a jump host."""
        return Endpoint(**{"address": self.address, "port": self.port, "user": getpass.getuser(), "host_key": self.host_key(), **changes})

    def ssh(self, **changes: object) -> SSH:
        """Where it answers."""
        return SSH(**{"address": self.address, "port": self.port, "user": getpass.getuser(), "host_key": self.host_key(), **changes})

    def host(self, name: str = "loopback", **changes: object) -> Host:
        """The machine as a host of a cluster file."""
        return Host(name=name, role=Role.WORKER, ssh=self.ssh(**changes))

    def credential(self, _name: str = "default") -> Credential:
        """The key that it lets in."""
        return Credential(private_key=self.key.read_text())

    def reinstall(self, *kinds: str) -> None:
        """Start the server again on the same port with new host keys of these types, which it had before, as a reinstalled machine does."""
        self.stop()
        for path in self.folder.glob("host_*"):
            path.unlink()
        for kind in kinds:
            make_key(self.folder, f"host_{kind}", kind)
        with (self.folder / "sshd.log").open("wb") as log:
            self.process = subprocess.Popen(self.process.args, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        assert _listens(self.process, self.port)

    def log(self) -> str:
        """What the server wrote since it was started; with `LogLevel DEBUG1` every login that was tried."""
        return (self.folder / "sshd.log").read_text()

    def stop(self) -> None:
        """End the server and every connection it carries."""
        self._signal(signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def drop_connections(self) -> None:
        """End the connections; the server goes on."""
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the connections' processes: the kernel still acknowledges, nobody answers."""
        self._signal(signal.SIGSTOP)

    def _signal(self, number: signal.Signals) -> None:
        for child in self._children(self.process.pid):
            with suppress(ProcessLookupError):  # a connection that ends at this moment
                os.kill(child, number)

    @staticmethod
    def _children(parent: int) -> list[int]:
        listed = Path(f"/proc/{parent}/task/{parent}/children")
        return [int(word) for word in listed.read_text().split()] if listed.exists() else []


def start_sshd(folder: Path, address: str = "127.0.0.1", *, settings: str = "", host_keys: tuple[str, ...] = ("ed25519",)) -> Sshd:
    """Start one; it answers when this returns."""
    for kind in host_keys:
        make_key(folder, f"host_{kind}", kind)
    key = make_key(folder, "login")
    authorized = folder / "authorized_keys"
    authorized.write_text(key.with_suffix(".pub").read_text())
    configuration = folder / "sshd_config"
    configuration.write_text(
        f"{settings}\n"
        + "".join(f"HostKey {folder}/host_{kind}\n" for kind in host_keys)
        + f"AuthorizedKeysFile {authorized}\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        "PermitRootLogin prohibit-password\nLogLevel ERROR\n"
        # bash, run by sshd, reads the .bashrc of whoever runs the tests, unless it takes itself for an inner shell
        "SetEnv SHLVL=1\n"
    )
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert program is not None, "these tests need OpenSSH's server: apt-get install openssh-server"
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd run by root wants its empty folder
    # sshd cannot be asked to choose a port: one that is free now may be taken when sshd comes to it, then it ends and the next is tried
    for _ in range(10):
        with closed_port(address) as port:
            where = f"ListenAddress={f'[{address}]' if ':' in address else address}:{port}"
        with (folder / "sshd.log").open("wb") as log:
            command = [program, "-D", "-e", "-f", str(configuration), "-o", where]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if _listens(process, port):
            return Sshd(folder, address, port, process, key)
        process.kill()
        process.wait()
    raise AssertionError((folder / "sshd.log").read_text())


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until this very process listens on the port; False when it ends instead."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(psutil.Error):
            if any(
                one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in psutil.Process(process.pid).net_connections("tcp")
            ):
                return True
        time.sleep(0.02)
    return False
