"""A session with one host: run a script as root, move files, reach what the host reaches."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath

import paramiko

from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.errors import HostError, HostUnreachable, LoginRefused, StepTimedOut
from cluster.vocabulary.redaction import redact
from cluster.vocabulary.spec import SSH
from hosts.channels import ChannelSlots
from hosts.exchange import Exchange
from hosts.privilege import PROBE, Elevation, Privilege, read_probe
from hosts.remote_shell import TIMED_OUT, RemoteShell
from hosts.transport import Connection, open_connection, open_forward

_GRACE_SECONDS = 15.0  # the far side's own time limit should speak first
_PROBE_LIMIT = timedelta(seconds=30)
_HOLD_AT_MOST = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Output:
    """What a script left: its exit code (-1: killed by a signal), both streams as text, and how long it took, seen from here."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether it ended with 0."""
        return self.exit_code == 0


class Held:
    """A script that runs on the host for as long as somebody holds it, or the connection lives."""

    def __init__(self, channel: paramiko.Channel, slots: ChannelSlots, exchange: Exchange) -> None:
        self._channel, self._slots, self._exchange = channel, slots, exchange
        self._closed = False
        self.said = exchange.stdout.decode(errors="replace").partition("\n")[0]  # its first line

    @property
    def alive(self) -> bool:
        """Whether the script still runs, as far as is known."""
        return not self._channel.closed and not self._channel.exit_status_ready()

    def send(self, data: bytes) -> None:
        """Write to its standard input; OSError when it has ended."""
        self._channel.sendall(data)

    def hear(self, last: str) -> str:
        """Everything it has printed once it has said the line `last`, or has ended; TimeoutError at the time limit that `hold` was given."""
        line = f"\n{last}\n".encode()
        self._exchange.wait(lambda: line in self._exchange.stdout)
        return self._exchange.stdout.decode(errors="replace")

    def close(self) -> None:
        """End its standard input and let go; harmless the second time."""
        if not self._closed:
            self._closed = True
            self._slots.give_back(self._channel)


class Session:
    """One connection to one host, for any number of threads; everything runs as root, by sudo where the login is another user."""

    def __init__(self, host: str, connection: Connection, ssh: SSH, credential: Credential) -> None:
        self.host = host
        self._connection = connection
        self._ssh = ssh
        self._credential = credential
        self._slots = ChannelSlots(host, connection.transport)
        self._elevation = Elevation(Privilege.ROOT)
        if ssh.user != "root":
            self._elevation = self._find_elevation()

    @classmethod
    def open(cls, host: str, ssh: SSH, credentials: Callable[[str], Credential]) -> Session:
        """Connect, log in and find the way to root; HostUnreachable, HostKeyMismatch or LoginRefused when one of these fails."""
        connection = open_connection(host, ssh, credentials)
        try:
            return cls(host, connection, ssh, credentials(ssh.credential))
        except BaseException:
            connection.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._connection.alive

    @property
    def host_key(self) -> str:
        """The public key that the host showed, as a cluster file holds it."""
        return self._connection.host_key

    @property
    def trusted_on_first_use(self) -> bool:
        """Whether that key was taken unseen, which belongs into the record."""
        return self._connection.trusted_on_first_use

    @property
    def way(self) -> Privilege:
        """How commands become root here."""
        return self._elevation.way

    def close(self) -> None:
        """End the connection; what still runs on the host is ended by its own time limit."""
        self._connection.close()

    def run(self, script: str, *, limit: timedelta, stdin: bytes | None = None, on_output: Callable[[bytes], None] | None = None) -> Output:
        """Run a POSIX shell script as root and wait for it; what its exit code means is for the caller to judge.

        `stdin` is what the script reads; `on_output` gets its standard output as it comes. HostUnreachable when the connection breaks,
        StepTimedOut when `limit` ended the script.
        """
        return self.feed(script, (stdin,) if stdin else (), limit=limit, on_output=on_output)

    def feed(self, script: str, data: Iterable[bytes], *, limit: timedelta, on_output: Callable[[bytes], None] | None = None) -> Output:
        """As `run`, for data too large to hold: its pieces are taken as the script reads them."""
        shell = RemoteShell(script, limit, self._elevation)
        start = time.monotonic()
        channel = self._slots.take()
        exchange = Exchange(channel, shell.mark, start + limit.total_seconds() + _GRACE_SECONDS, on_output)
        try:
            channel.exec_command(shell.command)
            self._become_root(shell, exchange)
            exchange.send(itertools.chain((shell.payload,), data))
            exchange.end()
        except TimeoutError:
            raise self._timed_out(limit) from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._lost(error) from None
        finally:
            self._slots.give_back(channel)
        return self._output(shell, exchange, time.monotonic() - start)

    def put(
        self,
        source: Path | bytes,
        target: PurePosixPath,
        *,
        mode: int = 0o600,
        sha256: str | None = None,
        decode: bool = False,
        content_sha256: str | None = None,
    ) -> None:
        """Put a file on the host, whole or not at all (hosts/files.py says how)."""
        from hosts.files import put

        put(self, source, target, mode=mode, sha256=sha256, decode=decode, content_sha256=content_sha256)

    def pipe(self, source: Path, command: str, *, limit: timedelta) -> Output:
        """Stream a file into a command."""
        from hosts.files import pieces

        return self.feed(command, pieces(source), limit=limit)

    def dial(self, host: str, port: int) -> paramiko.Channel:
        """A TCP connection made by the host (socket-like: send, recv, settimeout, close); HostUnreachable when it cannot be made."""
        return open_forward(self.host, self._connection.transport, host, port, "the host's sshd")

    def hold(self, script: str, *, limit: timedelta) -> Held:
        """Start a script that prints a line and then reads its standard input to the end; comes back with that line. `limit` is for the line, and for `hear`."""
        shell = RemoteShell(script, _HOLD_AT_MOST, self._elevation)
        channel = self._slots.take()
        try:
            exchange = Exchange(channel, shell.mark, time.monotonic() + limit.total_seconds())
            channel.exec_command(shell.command)
            self._become_root(shell, exchange)
            exchange.send((shell.payload,))
            if not exchange.wait(lambda: b"\n" in exchange.stdout):
                output = self._output(shell, exchange, 0.0)
                raise HostError(self.host, f"a script to be held ended with {output.exit_code}: {output.stderr.strip()[-300:]}", "")
        except TimeoutError:
            self._slots.give_back(channel)
            raise self._timed_out(limit) from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            self._slots.give_back(channel)
            raise self._lost(error) from None
        except BaseException:
            self._slots.give_back(channel)
            raise
        return Held(channel, self._slots, exchange)

    def _find_elevation(self) -> Elevation:
        """Which way to root there is, found out once; LoginRefused when there is none."""
        way, said = read_probe(self.run(PROBE, limit=_PROBE_LIMIT).stdout)
        if way is not Privilege.PASSWORD:
            return Elevation(way)
        password = self._credential.for_sudo
        if password is None:
            raise LoginRefused(self.host, f"user {self._ssh.user} is not root, and sudo wants a password ({said})", self._sudo_advice)
        self._elevation = Elevation(way, password)
        self.run(":", limit=_PROBE_LIMIT)
        return self._elevation

    @property
    def _sudo_advice(self) -> str:
        return f"Set `sudo_password` in SSH credential block `{self._ssh.credential}`, or allow user {self._ssh.user} sudo for ALL without a password."

    def _become_root(self, shell: RemoteShell, exchange: Exchange) -> None:
        """Answer sudo when, and only when, it asks; LoginRefused when it is not content."""
        if shell.elevation.way is not Privilege.PASSWORD:
            return
        prompt = shell.prompt.encode()
        exchange.wait(lambda: exchange.begun or prompt in exchange.stderr)
        if not exchange.begun and prompt in exchange.stderr:
            exchange.send((f"{shell.elevation.password}\n".encode(),))
            exchange.wait(lambda: exchange.begun or exchange.stderr.count(prompt) > 1)
        if not exchange.begun:
            raise self._not_begun(shell, exchange)

    def _output(self, shell: RemoteShell, exchange: Exchange, seconds: float) -> Output:
        code = exchange.exit_code
        if code == -1 and self._connection.transport.is_active():
            # a script that a signal has ended, or a connection whose end its thread has yet to notice
            self._connection.transport.join(0.3)
        if code == -1 and not self.alive:
            raise self._lost(None)
        if not exchange.begun:
            raise self._not_begun(shell, exchange)
        if code == TIMED_OUT and seconds >= shell.limit.total_seconds():
            raise self._timed_out(shell.limit)
        stderr = exchange.stderr.decode(errors="replace").rpartition(shell.prompt)[2]
        return Output(code, exchange.stdout.decode(errors="replace"), stderr, seconds)

    def _not_begun(self, shell: RemoteShell, exchange: Exchange) -> LoginRefused:
        said = exchange.stderr.decode(errors="replace").replace(shell.prompt, " ")
        said = redact(" ".join(said.split()), self._credential.secrets)[-300:] or "it says nothing"
        if shell.elevation.way is Privilege.ROOT:
            return LoginRefused(
                self.host, f"the login shell of user {self._ssh.user} runs no command: {said}", "Give the user a shell such as /bin/sh."
            )
        what = "refuses the password" if shell.elevation.way is Privilege.PASSWORD else "runs no command"
        return LoginRefused(self.host, f"sudo {what} of user {self._ssh.user}: {said}", self._sudo_advice)

    def _lost(self, error: BaseException | None) -> HostUnreachable:
        reason = str(error or self._connection.transport.get_exception() or "").strip()
        return HostUnreachable(
            self.host, f"the connection was lost{f' ({reason})' if reason else ''}", "What was running there ends by its own time limit."
        )

    def _timed_out(self, limit: timedelta) -> StepTimedOut:
        return StepTimedOut(f"{self.host}: a script did not end within {limit.total_seconds():.0f} s and was stopped")
