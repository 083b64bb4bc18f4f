"""An SSH connection to one host, with a checked host key and a login, through a jump host if the cluster file names one."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import paramiko
from paramiko.message import Message
from paramiko.packet import Packetizer

from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.errors import Bug, HostError, HostUnreachable, LoginRefused
from cluster.vocabulary.hostport import join_host_port
from cluster.vocabulary.spec import SSH
from hosts.host_keys import Pin, RecordedKeys, Sshd, described, jump_of, public_text
from hosts.private_keys import UnusableKey, read_private_key
from hosts.ssh_agent import MOST_KEYS, UnusableAgent, agent_keys
from hosts.tcp import CONNECT_SECONDS, WatchedChannel, connect

# a key exchange over groups of integers costs 95 ms of CPU per connection, over an elliptic curve 13 ms: only the latter are offered
_KEY_EXCHANGES = (
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "mlkem768x25519-sha256",
)
# with AES-GCM the cipher is the MAC too: the least CPU per megabyte of the ciphers that both ends have
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
_MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
_LARGEST_PACKET = 1 << 20  # OpenSSH sends 256 KB at most
_BANNER_SECONDS = 10.0
_HANDSHAKE_SECONDS = 20.0
_LOGIN_SECONDS = 30.0  # PAM answers a wrong password only after seconds
_KEEPALIVE_SECONDS = 10

# each paramiko error becomes an error of this project; paramiko's tracebacks in the log of a flow add nothing
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class _Wire(Protocol):
    def send(self, data: bytes, /) -> int: ...
    def recv(self, size: int, /) -> bytes: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def close(self) -> None: ...


class _Packets(Packetizer):
    # paramiko asks for new keys every 512 MB, in the middle of a bundle; RFC 4344 allows 64 GB for AES, and sshd asks by itself
    REKEY_BYTES = 2**34
    REKEY_PACKETS = 2**31

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Read `n` bytes of a packet: a host may announce 4 GB, which paramiko would collect."""
        if n > _LARGEST_PACKET:
            raise paramiko.SSHException(f"a packet of {n:,} bytes")
        data: bytes = super().read_all(n, check_rekey)
        return data

    def close(self) -> None:
        """Close the socket; behind a jump host it is a channel, whose close sends on a connection that may be lost already."""
        with suppress(EOFError, OSError, paramiko.SSHException):
            super().close()


@dataclass(frozen=True, slots=True)
class Connection:
    """A transport with a login, and the connection to its jump host."""

    transport: paramiko.Transport
    host_key: str  # in the form of a cluster file
    first_use: bool  # whether the key was accepted and recorded by this login
    jump: Connection | None = None

    @property
    def alive(self) -> bool:
        """Whether the connection can still carry a channel."""
        return self.transport.is_active() and (self.jump is None or self.jump.alive)

    def close(self) -> None:
        """End the connection, then that to the jump host; a second call has no effect."""
        self.transport.close()
        if self.jump is not None:
            self.jump.close()


def open_connection(host: str, ssh: SSH, credentials: Callable[[str], Credential], recorded: RecordedKeys | None = None) -> Connection:
    """Connect to `host` and log in; an error closes everything that was opened.

    `recorded` has the keys for `trust-on-first-use`, and gets each new one after the first login: without it no such login is possible.
    HostUnreachable when the host does not answer, HostKeyMismatch when it has another key, LoginRefused when it refuses the login.
    """
    with _connected(Sshd(host, host, ssh, ssh.jump), credentials, recorded) as (dial, jump):
        return _log_in(Sshd(host, host, ssh, ssh.jump), credentials, recorded, dial, jump)


def read_host_key(sshd: Sshd, credentials: Callable[[str], Credential], recorded: RecordedKeys | None = None) -> str:
    """The key that a server presents now, in the form of a cluster file. No login is tried, except on its jump host.

    HostKeyMismatch when another key is pinned or recorded; errors as of `open_connection`.
    """
    pin = sshd.pin(recorded)
    with _connected(sshd, credentials, recorded) as (dial, jump):
        transport = _transport(dial(), pin.algorithms)
        try:
            _agree(sshd, transport, pin, jump)
            return public_text(transport.get_remote_server_key())
        finally:
            transport.close()
            if jump is not None:
                jump.close()


@contextmanager
def _connected(
    sshd: Sshd, credentials: Callable[[str], Credential], recorded: RecordedKeys | None
) -> Iterator[tuple[Callable[[], _Wire], Connection | None]]:
    """What connects to a server, and the connection to its jump host, which an error in the `with` block closes."""
    if sshd.jump is None:
        yield lambda: connect(sshd.label, sshd.endpoint.address, sshd.endpoint.port), None
        return
    # one connection to the jump host for each host behind it: a shared one takes all of them down with it (paramiko#1115)
    hop = jump_of(sshd.host, sshd.jump)
    jump = _log_in(hop, credentials, recorded, lambda: connect(sshd.label, hop.endpoint.address, hop.endpoint.port))
    try:
        yield lambda: WatchedChannel(_through(sshd, jump)), jump
    except BaseException:
        jump.close()
        raise


def _through(sshd: Sshd, jump: Connection) -> socket.socket:
    peer = f"the jump host {sshd.jump.address}" if sshd.jump is not None else "the jump host"
    return open_forward(sshd.label, jump.transport, sshd.endpoint.address, sshd.endpoint.port, peer)  # type: ignore[return-value]


def open_forward(host: str, transport: paramiko.Transport, address: str, port: int, peer: str) -> paramiko.Channel:
    """A TCP connection made by the machine at the other end of `transport`; `peer` names that machine in errors."""
    where = join_host_port(address, port)
    try:
        return transport.open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=CONNECT_SECONDS)
    except paramiko.ChannelException as error:
        if error.code == 1:  # administratively prohibited
            raise HostError(
                host, f"{peer} forbids forwarding to {where}", "Set `AllowTcpForwarding yes` (or `local`) in its sshd_config."
            ) from None
        raise HostUnreachable(host, f"{peer} does not reach {where} ({error.text})") from None
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise HostUnreachable(host, f"{peer} did not connect to {where} ({_text(error)})") from None


def _log_in(
    sshd: Sshd,
    credentials: Callable[[str], Credential],
    recorded: RecordedKeys | None,
    dial: Callable[[], _Wire],
    jump: Connection | None = None,
) -> Connection:
    credential, pin = credentials(sshd.endpoint.credential), sshd.pin(recorded)
    if not pin.keys and recorded is None:
        raise Bug(f"{sshd.label}: nothing records the first host key of {sshd.address}")
    transport = _transport(dial(), pin.algorithms)
    try:
        _agree(sshd, transport, pin, jump)
        _authenticate(sshd, credential, transport)
        if jump is not None:
            transport.packetizer.set_keepalive(_KEEPALIVE_SECONDS, lambda: _send_keepalive(transport))
        key = transport.get_remote_server_key()
        if not pin.keys:
            sshd.record(key, recorded)
        return Connection(transport, public_text(key), not pin.keys, jump)
    except BaseException:
        # also ends the thread of the transport: ten failed logins would leave ten threads
        transport.close()
        raise


def _transport(wire: _Wire, host_key_algorithms: tuple[str, ...]) -> paramiko.Transport:
    transport = paramiko.Transport(wire, packetizer_class=_Packets)  # type: ignore[arg-type]
    transport.daemon = True
    options = transport.get_security_options()
    options.kex = tuple(name for name in _KEY_EXCHANGES if name in options.kex)
    options.ciphers = _CIPHERS
    options.digests = _MACS
    if host_key_algorithms:
        options.key_types = host_key_algorithms
    transport.banner_timeout = _BANNER_SECONDS
    transport.handshake_timeout = _HANDSHAKE_SECONDS
    transport.auth_timeout = _LOGIN_SECONDS
    transport.channel_timeout = _LOGIN_SECONDS
    return transport


def _agree(sshd: Sshd, transport: paramiko.Transport, pin: Pin, jump: Connection | None) -> None:
    try:
        transport.start_client(timeout=_BANNER_SECONDS + _HANDSHAKE_SECONDS)
        key = transport.get_remote_server_key()
    except paramiko.ssh_exception.IncompatiblePeer as error:
        # without the pinned key types the handshake succeeds: the host has no key of those types
        presented = _presented_key(sshd, jump) if pin.keys else None
        if presented is not None:
            raise sshd.mismatch(pin, presented) from None
        raise HostError(
            sshd.label,
            f"sshd at {sshd.address} and this program share no algorithm ({error})",
            "Update sshd, or widen its KexAlgorithms, Ciphers and MACs.",
        ) from None
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise HostUnreachable(
            sshd.label,
            f"something answers at {sshd.address}, but not as an SSH server should ({_text(error)})",
            "Is it sshd, and does it accept more connections (MaxStartups)?",
        ) from None
    if not pin.allows(key):
        raise sshd.mismatch(pin, key)


def _presented_key(sshd: Sshd, jump: Connection | None) -> paramiko.PKey | None:
    """The key of a host without a key of the pinned types, for the message; None when the handshake fails with any type."""
    try:
        wire: _Wire = connect(sshd.label, sshd.endpoint.address, sshd.endpoint.port) if jump is None else _through(sshd, jump)
    except (HostError, HostUnreachable):
        return None
    transport = _transport(wire, ())
    try:
        transport.start_client(timeout=_BANNER_SECONDS + _HANDSHAKE_SECONDS)
        return transport.get_remote_server_key()
    except (paramiko.SSHException, EOFError, OSError):
        return None
    finally:
        transport.close()


def _authenticate(sshd: Sshd, credential: Credential, transport: paramiko.Transport) -> None:
    host, endpoint = sshd.label, sshd.endpoint
    user = endpoint.user
    tried: list[str] = []
    do = f"Check ssh.user and the SSH credential block `{endpoint.credential}`."
    if faults := list(credential.faults):
        raise LoginRefused(host, f"credential `{endpoint.credential}` cannot be used: {'; '.join(faults)}", do)
    try:
        if credential.agent_socket:
            try:
                accepted, skipped = _agent_accepted(credential.agent_socket, credential.agent_key, user, transport, tried)
            except UnusableAgent as error:
                raise LoginRefused(host, f"the SSH agent of credential `{endpoint.credential}` cannot be used: {error}", do) from None
            if accepted:
                return
            if skipped:
                do = f"{skipped} more keys of the agent were not tried, because sshd ends the connection after six: set `agent_key` in the block. {do}"
        if credential.private_key:
            try:
                key = read_private_key(credential.private_key, credential.passphrase)
            except UnusableKey as error:
                raise LoginRefused(host, f"the private key of credential `{endpoint.credential}` cannot be used: {error}", do) from None
            tried.append(f"the private key {described(key)}")
            if _accepted(transport, lambda: transport.auth_publickey(user, key)):
                return
        if credential.password:
            tried.append("the password")
            # also answers keyboard-interactive, which some sshd use to ask for the password
            if _accepted(transport, lambda: transport.auth_password(user, credential.password or "")):
                return
        offered = _offered(transport, user)
    except paramiko.SSHException as error:
        raise HostUnreachable(host, f"the connection was lost while logging in as {user} ({_text(error)})") from None
    except (EOFError, OSError) as error:
        raise HostUnreachable(host, f"the connection was lost while logging in as {user} ({_text(error)})") from None
    raise LoginRefused(host, f"sshd refuses {' and '.join(tried)} for user {user}{f'; it takes {offered}' if offered else ''}", do)


def _agent_accepted(socket: str, only: str | None, user: str, transport: paramiko.Transport, tried: list[str]) -> tuple[bool, int]:
    """Whether the login with a key of the agent is complete, and how many of its keys were not tried; adds to `tried`."""
    with agent_keys(socket, only) as keys:
        for key in keys[:MOST_KEYS]:
            tried.append(f"the agent's key {described(key)}")
            if _accepted(transport, partial(transport.auth_publickey, user, key)):
                return True, 0
    return False, len(keys[MOST_KEYS:])


def _accepted(transport: paramiko.Transport, attempt: Callable[[], list[str]]) -> bool:
    """Whether the login is complete: False when sshd refuses it or requires a second method."""
    try:
        attempt()
    except paramiko.AuthenticationException as error:
        # paramiko has no exception type for a login that timed out
        if "timeout" in str(error).lower() or not transport.is_active():
            raise paramiko.SSHException(str(error)) from None
    return transport.is_authenticated()


def _offered(transport: paramiko.Transport, user: str) -> str:
    try:
        transport.auth_none(user)
    except paramiko.BadAuthenticationType as error:
        return ", ".join(error.allowed_types)
    except (paramiko.SSHException, EOFError, OSError):
        pass
    return ""


def _send_keepalive(transport: paramiko.Transport) -> None:
    """Send a keepalive that requires an answer: paramiko's own requires none, so it does not detect a dead host."""
    message = Message()
    message.add_byte(b"\x50")  # SSH_MSG_GLOBAL_REQUEST
    message.add_string("keepalive@openssh.com")
    message.add_boolean(True)
    send: Any = transport._send_user_message  # type: ignore[attr-defined]
    send(message)


def _text(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__
