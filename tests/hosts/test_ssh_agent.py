"""Logins that a real ssh-agent signs, and agents that do not answer as one should."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.errors import LoginRefused
from hosts import ssh_agent
from hosts.ssh_agent import MOST_KEYS, UnusableAgent, agent_keys
from hosts.transport import open_connection
from tests.hosts.sshd import Sshd, make_key


@dataclass
class Agent:
    """A real ssh-agent."""

    socket: str
    pid: int

    def add(self, key: Path, *options: str) -> None:
        """Add a private key."""
        subprocess.run(
            ["ssh-add", "-q", *options, str(key)], env={**os.environ, "SSH_AUTH_SOCK": self.socket}, check=True, capture_output=True
        )

    def stop(self) -> None:
        """End the agent."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """An agent without keys."""
    path = str(tmp_path / "agent.sock")
    printed = subprocess.run(["ssh-agent", "-a", path], check=True, capture_output=True, text=True).stdout
    started = Agent(path, int(printed.partition("SSH_AGENT_PID=")[2].partition(";")[0]))
    yield started
    started.stop()


def authorize(server: Sshd, key: Path) -> None:
    with (server.folder / "authorized_keys").open("a") as keys:
        keys.write(key.with_suffix(".pub").read_text())


def log_in(server: Sshd, credential: Credential) -> None:
    connection = open_connection("h", server.ssh(), lambda _: credential)
    assert connection.alive
    connection.close()


def refused(server: Sshd, credential: Credential) -> str:
    with pytest.raises(LoginRefused) as error:
        open_connection("h", server.ssh(), lambda _: credential)
    return str(error.value)


class TestLogins:
    """sshd takes what the agent signs."""

    @pytest.mark.parametrize(("kind", "options"), [("ed25519", ()), ("ecdsa", ("-b", "384")), ("rsa", ("-b", "2048"))], ids=str)
    def test_the_agent_signs_with_a_key_of_each_type(
        self, sshd: Sshd, agent: Agent, tmp_path: Path, kind: str, options: tuple[str, ...]
    ) -> None:
        """The file of the key may be gone."""
        key = make_key(tmp_path, "key", kind, "", *options)
        agent.add(key)
        authorize(sshd, key)
        key.unlink()
        log_in(sshd, Credential(agent_socket=agent.socket))

    def test_each_key_is_tried_but_no_more_than_sshd_allows(self, sshd: Sshd, agent: Agent, tmp_path: Path) -> None:
        """The last of six keys is used when the credential names it."""
        keys = [make_key(tmp_path, f"key-{number}") for number in range(MOST_KEYS + 1)]
        for key in keys:
            agent.add(key)
        authorize(sshd, keys[-1])
        message = refused(sshd, Credential(agent_socket=agent.socket))
        assert "1 more key" in message
        assert "agent_key" in message
        log_in(sshd, Credential(agent_socket=agent.socket, agent_key=keys[-1].with_suffix(".pub").read_text()))
        authorize(sshd, keys[MOST_KEYS - 1])
        log_in(sshd, Credential(agent_socket=agent.socket))

    def test_a_second_method_after_the_agent_is_the_password(self, sshd: Sshd, agent: Agent, tmp_path: Path) -> None:
        """A refused key of the agent and a refused password are both in the message."""
        agent.add(make_key(tmp_path, "other"))
        message = refused(sshd, Credential(agent_socket=agent.socket, password="canary-word"))
        assert "the agent's key ssh-ed25519 SHA256:" in message
        assert "canary-word" not in message


class TestFaults:
    """Each has its own message, within a time limit."""

    def test_a_private_key_and_an_agent_are_refused(self, sshd: Sshd, agent: Agent) -> None:
        """Which of them is meant is not guessed."""
        both = Credential(private_key=sshd.key.read_text(), agent_socket=agent.socket)
        assert "both a private key and an SSH agent" in refused(sshd, both)
        assert "not absolute" in refused(sshd, Credential(agent_socket="agent.sock"))

    def test_no_agent_no_key_and_another_key_are_told_apart(self, sshd: Sshd, agent: Agent, tmp_path: Path) -> None:
        """A missing socket names the worker, whose machine must have it."""
        assert "the worker must reach the socket" in refused(sshd, Credential(agent_socket=str(tmp_path / "none.sock")))
        assert "has no key" in refused(sshd, Credential(agent_socket=agent.socket))
        agent.add(sshd.key)
        other = make_key(tmp_path, "other").with_suffix(".pub").read_text()
        assert "does not have the key ssh-ed25519" in refused(sshd, Credential(agent_socket=agent.socket, agent_key=other))

    def test_an_agent_that_asks_its_user_and_gets_no_answer_refuses(self, sshd: Sshd, agent: Agent) -> None:
        """With `ssh-add -c` the agent starts a program that asks; without one it fails."""
        agent.add(sshd.key, "-c")
        assert "refuses to sign" in refused(sshd, Credential(agent_socket=agent.socket))


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts a program at a socket that answers each request with these bytes, one by one with a pause."""
    path, listener, ended = str(tmp_path / "impostor.sock"), socket.socket(socket.AF_UNIX), threading.Event()

    def start(answer: bytes, pause: float = 0.0) -> str:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1000)
                    for byte in answer:
                        connection.sendall(bytes([byte]))
                        ended.wait(pause)
                    while pause and not ended.wait(0.05):
                        pass

        threading.Thread(target=serve, daemon=True).start()
        return path

    yield start
    ended.set()
    listener.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\xff\xff\xff\xff\x0c",
        b"\x00\x00\x00\x01\x05",
        b"\x00\x00\x00\x05\x0c\xff\xff\xff\xff",
        b"\x00\x00\x00\x00",
    ],
    ids=["nothing", "sshd", "4 GB", "failure", "4 billion keys", "empty"],
)
def test_what_is_no_agent_is_an_error(impostor: Callable[..., str], answer: bytes) -> None:
    """No traceback, no memory, no waiting."""
    with pytest.raises(UnusableAgent), agent_keys(impostor(answer)):
        pass


def test_an_agent_that_answers_slowly_is_left(impostor: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is for the whole answer: a byte now and then does not extend it."""
    monkeypatch.setattr(ssh_agent, "ANSWER_SECONDS", 0.5)
    begin = time.monotonic()
    with pytest.raises(UnusableAgent, match="does not answer"), agent_keys(impostor(bytes(100), 0.2)):
        pass
    assert time.monotonic() - begin < 3
