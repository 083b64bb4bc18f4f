"""Keys of an SSH agent, which signs logins: the private keys never leave the agent (draft-ietf-sshm-ssh-agent)."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko
from paramiko.agent import AgentKey, AgentSSH

ANSWER_SECONDS = 20.0  # less than the time that sshd gives a login; an agent may ask its user for each signature (ssh-add -c)
MOST_KEYS = 5  # sshd ends a connection after six failed logins (MaxAuthTries of OpenSSH), one of which may be the password
_LONGEST_ANSWER = 1 << 20  # OpenSSH's agent sends 256 KB at most
_MOST_LISTED = 1000
_FAILURES = (5, 102)  # SSH_AGENT_FAILURE, and its old number
_REQUEST_IDENTITIES, _IDENTITIES_ANSWER = b"\x0b", 12


class UnusableAgent(Exception):
    """The agent cannot be used; the message gives the reason."""


@contextmanager
def agent_keys(path: str, only: str | None = None) -> Iterator[tuple[AgentKey, ...]]:
    """The keys of the agent at a socket; `only`: the public key of one of them. UnusableAgent when it does not answer or lacks the key.

    A key signs inside of the block only, and raises UnusableAgent when the agent refuses or does not answer in time.
    """
    agent = _Agent(path)
    try:
        keys = tuple(key for key in agent.read_keys() if only is None or _is(key, only))
        if not keys:
            lacks = "has no key; `ssh-add` adds one" if only is None else f"does not have the key {_short(only)}; `ssh-add` adds it"
            raise UnusableAgent(f"the SSH agent at {path} {lacks}")
        yield keys
    finally:
        agent.end()


class _Agent(AgentSSH):
    """The agent at a socket. paramiko's own takes the path from SSH_AUTH_SOCK only, and waits without an end."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._deadline = time.monotonic() + ANSWER_SECONDS
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER_SECONDS)
        self._conn = self._socket  # where paramiko sends
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            found = error.strerror or str(error)
            raise UnusableAgent(f"no SSH agent answers at {path} on this machine ({found}): the worker must reach the socket") from None

    def read_keys(self) -> tuple[AgentKey, ...]:
        """Ask the agent for its keys."""
        kind, answer = self._send_message(_REQUEST_IDENTITIES)
        # a message of paramiko that is at its end yields zeros for ever
        if kind != _IDENTITIES_ANSWER or (count := answer.get_int()) > _MOST_LISTED:
            raise UnusableAgent(f"what answers at {self._path} is not an SSH agent")
        return tuple(AgentKey(self, answer.get_binary(), answer.get_text()) for _ in range(count))

    def end(self) -> None:
        """Close the connection to the agent."""
        self._socket.close()

    def _send_message(self, message: bytes | paramiko.Message) -> tuple[int, paramiko.Message]:
        self._deadline = time.monotonic() + ANSWER_SECONDS
        try:
            kind, answer = super()._send_message(message)  # type: ignore[misc]
        except TypeError:  # of an answer without its first byte
            raise UnusableAgent(f"what answers at {self._path} is not an SSH agent") from None
        except OSError as error:
            raise UnusableAgent(f"the SSH agent at {self._path} does not answer ({error.strerror or error})") from None
        if kind in _FAILURES:
            raise UnusableAgent(f"the SSH agent at {self._path} refuses to sign, or its user did not confirm")
        return kind, answer

    def _read_all(self, wanted: int) -> bytes:
        if wanted > _LONGEST_ANSWER:
            raise UnusableAgent(f"what answers at {self._path} is not an SSH agent: it announces {wanted:,} bytes")
        data = b""
        while len(data) < wanted:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no answer within {ANSWER_SECONDS:.0f} s")
            self._socket.settimeout(left)
            more = self._socket.recv(wanted - len(data))
            if not more:
                raise UnusableAgent(f"the SSH agent at {self._path} closed the connection")
            data += more
        return data


def _is(key: AgentKey, only: str) -> bool:
    return only.split()[:2] == [key.get_name(), key.get_base64()]


def _short(only: str) -> str:
    words = only.split()
    return f"{words[0]} ...{words[1][-12:]}" if len(words) > 1 else repr(only[:40])
