"""A session with one host: run a script as root, feed it data, and connect to what the host reaches."""

from __future__ import annotations

import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import paramiko

from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.errors import HostError, HostUnreachable, LoginRefused, StepTimedOut
from cluster.vocabulary.host_keys import fingerprint
from cluster.vocabulary.redaction import redact
from cluster.vocabulary.spec import SSH
from hosts.channels import ChannelSlots
from hosts.exchange import MOST_OUTPUT, Exchange
from hosts.host_keys import RecordedKeys
from hosts.output_stream import OutputStream
from hosts.privilege import PROBE, RECORDED, Elevation, Privilege, Refusal, explain, read_probe, read_recorded, recording, sudoers_entry
from hosts.remote_shell import BROKEN, TIMED_OUT, RemoteShell
from hosts.transport import Connection, open_connection, open_forward

_GRACE_SECONDS = 15.0  # the time limit on the host should end the script first
_PROBE_LIMIT = timedelta(seconds=30)
_HOLD_AT_MOST = timedelta(days=7)
_MOST_UNREAD = 2 * MOST_OUTPUT  # of a stream: an exchange reads up to 16 MiB at once
_LONGEST_QUOTE = 300  # characters of what a login printed, in an error
_LONGEST_FIRST_LINE = 1000  # of a script that keeps running: a word and a name


@dataclass(frozen=True, slots=True)
class Output:
    """The result of a script: its exit code (-1: ended by a signal), both streams as text, and its duration on this side."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the exit code is 0."""
        return self.exit_code == 0


class Shell(ABC):
    """Runs scripts as root on one host: a session, or a session whose scripts are fenced (hosts/lock.py)."""

    @property
    @abstractmethod
    def host(self) -> str:
        """The host's name in the cluster file."""

    def run(
        self,
        script: str,
        *,
        limit: timedelta,
        stdin: bytes | None = None,
        on_output: Callable[[bytes], None] | None = None,
        most: int = MOST_OUTPUT,
        only_last: bool = False,
    ) -> Output:
        """Run a POSIX shell script as root and wait for its end; the caller interprets the exit code.

        The script reads `stdin`; `on_output` receives its standard output at once. HostUnreachable when the connection breaks,
        StepTimedOut when `limit` ended the script, HostError when it prints more than `most` bytes on a stream. With `only_last`, standard
        output may be longer, and its last `most` bytes are returned.
        """
        return self.feed(script, (stdin,) if stdin else (), limit=limit, on_output=on_output, most=most, only_last=only_last)

    @abstractmethod
    def feed(
        self,
        script: str,
        data: Iterable[bytes],
        *,
        limit: timedelta,
        on_output: Callable[[bytes], None] | None = None,
        most: int = MOST_OUTPUT,
        only_last: bool = False,
    ) -> Output:
        """As `run`, for data that does not fit into memory: pieces are taken as the script reads them."""


class ReadScript:
    """A script that runs while its standard output is read as a stream."""

    def __init__(self, stream: OutputStream, end: Callable[[], Output]) -> None:
        self.stream, self._end = stream, end

    def end(self) -> Output:
        """Wait for the end of the script; `stdout` of the result is what was not read."""
        return self._end()


class Held:
    """A script that runs on the host until `close` or the end of the connection."""

    def __init__(self, channel: paramiko.Channel, slots: ChannelSlots, exchange: Exchange) -> None:
        self._channel, self._slots, self._exchange = channel, slots, exchange
        self._closed = False
        self.first_line = exchange.stdout.partition(b"\n")[0][:_LONGEST_FIRST_LINE].decode(errors="replace")

    @property
    def alive(self) -> bool:
        """Whether the script still runs, to the knowledge of this side."""
        return not self._channel.closed and not self._channel.exit_status_ready()

    def send(self, data: bytes) -> None:
        """Write to the script's standard input; OSError when the script has ended."""
        self._channel.sendall(data)

    def read_until(self, last: str) -> str:
        """The script's output up to the line `last`, or up to its end; TimeoutError at the time limit that `hold` received, HostError for too much."""
        line = f"\n{last}\n".encode()
        self._exchange.wait(lambda: line in self._exchange.stdout)
        return self._exchange.stdout.decode(errors="replace")

    def close(self) -> None:
        """End the script's standard input and close the channel; a second call has no effect."""
        if not self._closed:
            self._closed = True
            self._slots.give_back(self._channel)


class Session(Shell):
    """One connection to one host, for any number of threads; every script runs as root, through sudo if the login is another user."""

    def __init__(self, host: str, connection: Connection, ssh: SSH, credential: Credential) -> None:
        self._host = host
        self._connection = connection
        self._ssh = ssh
        self._credential = credential
        self._slots = ChannelSlots(host, connection.transport)
        self._elevation = Elevation(Privilege.ROOT)
        if ssh.user != "root":
            self._elevation = self._find_elevation()

    @classmethod
    def open(cls, host: str, ssh: SSH, credentials: Callable[[str], Credential], recorded: RecordedKeys | None = None) -> Session:
        """Connect, log in and find out how to become root; HostUnreachable, HostKeyMismatch or LoginRefused on failure."""
        connection = open_connection(host, ssh, credentials, recorded)
        try:
            return cls(host, connection, ssh, credentials(ssh.credential))
        except BaseException:
            connection.close()
            raise

    @property
    def host(self) -> str:
        """The host's name in the cluster file."""
        return self._host

    @property
    def alive(self) -> bool:
        """Whether the connection is open, to the knowledge of this side."""
        return self._connection.alive

    @property
    def first_uses(self) -> tuple[str, ...]:
        """The host keys that this session accepted and recorded on first use: of the host, and of its jump host."""
        return tuple(
            fingerprint(used.host_key) for used in (self._connection, self._connection.jump) if used is not None and used.first_use
        )

    @property
    def privilege(self) -> Privilege:
        """How commands become root on this host."""
        return self._elevation.privilege

    def close(self) -> None:
        """End the connection; a script that still runs on the host ends by its own time limit."""
        self._connection.close()

    def feed(
        self,
        script: str,
        data: Iterable[bytes],
        *,
        limit: timedelta,
        on_output: Callable[[bytes], None] | None = None,
        most: int = MOST_OUTPUT,
        only_last: bool = False,
    ) -> Output:
        """Exchange over one channel of the connection."""
        shell = RemoteShell(script, limit, self._elevation)
        start = time.monotonic()
        channel = self._slots.take()
        deadline = start + limit.total_seconds() + _GRACE_SECONDS
        exchange = Exchange(self.host, channel, shell.mark, deadline, on_output, most=most, only_last=only_last)
        try:
            with self._session_errors(limit):
                channel.exec_command(shell.command)
                self._become_root(shell, exchange)
                exchange.send(itertools.chain((shell.payload,), data))
                exchange.end()
        finally:
            self._slots.give_back(channel)
        return self._output(shell, exchange, time.monotonic() - start)

    @contextmanager
    def read(self, script: str, *, limit: timedelta, most: int) -> Iterator[ReadScript]:
        """As `run`, for output that does not fit into memory: up to `most` bytes are read as a stream inside the `with` block.

        The end of the block closes the channel: a script that still prints is then ended by SIGPIPE.
        """
        shell = RemoteShell(script, limit, self._elevation)
        start = time.monotonic()
        channel = self._slots.take()
        deadline = start + limit.total_seconds() + _GRACE_SECONDS
        exchange = Exchange(self.host, channel, shell.mark, deadline, most=_MOST_UNREAD, to_end=True)
        try:
            with self._session_errors(limit):
                channel.exec_command(shell.command)
                self._become_root(shell, exchange)
                exchange.send((shell.payload,))
                channel.shutdown_write()

            def end() -> Output:
                with self._session_errors(limit):
                    exchange.end()
                return self._output(shell, exchange, time.monotonic() - start)

            yield ReadScript(OutputStream(self.host, exchange, most, lambda: self._session_errors(limit)), end)
        finally:
            self._slots.give_back(channel)

    def dial(self, host: str, port: int) -> paramiko.Channel:
        """Open a TCP connection from the host (socket-like: send, recv, settimeout, close); HostUnreachable on failure."""
        return open_forward(self.host, self._connection.transport, host, port, "the host's sshd")

    def hold(self, script: str, *, limit: timedelta) -> Held:
        """Start a script that prints a line and then reads its standard input to the end; returns after that line. `limit` applies to the line and to `read_until`."""
        shell = RemoteShell(script, _HOLD_AT_MOST, self._elevation)
        channel = self._slots.take()
        try:
            exchange = Exchange(self.host, channel, shell.mark, time.monotonic() + limit.total_seconds())
            channel.exec_command(shell.command)
            self._become_root(shell, exchange)
            exchange.send((shell.payload,))
            if not exchange.wait(lambda: b"\n" in exchange.stdout):
                output = self._output(shell, exchange, 0.0)
                printed = redact(output.stderr, self._credential.secrets).strip()[-300:]
                raise HostError(self.host, f"a script that must keep running ended with {output.exit_code}: {printed}", "")
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

    @contextmanager
    def _session_errors(self, limit: timedelta) -> Iterator[None]:
        """Errors of the channel become StepTimedOut and HostUnreachable."""
        try:
            yield
        except TimeoutError:
            raise self._timed_out(limit) from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._lost(error) from None

    def _find_elevation(self) -> Elevation:
        """Find out once how to become root; LoginRefused when it is impossible."""
        probe = self.run(PROBE, limit=_PROBE_LIMIT)
        privilege, message = read_probe(probe.stdout, probe.stderr)
        if privilege is Privilege.ROOT:
            return Elevation(privilege)
        password = self._credential.for_sudo if privilege is Privilege.PASSWORD else None
        if privilege is Privilege.PASSWORD and (refusal := explain(message, self._ssh.user)):
            raise self._refused(refusal)
        if privilege is Privilege.PASSWORD and password is None:
            raise LoginRefused(self.host, f"user {self._ssh.user} is not root, and sudo requires a password ({message})", self._sudo_advice)
        self._elevation = Elevation(privilege, password)
        if recorded := read_recorded(self.run(RECORDED, limit=_PROBE_LIMIT).stdout):
            raise self._refused(recording(recorded, self._ssh.user, privilege))
        return self._elevation

    def _refused(self, refusal: Refusal) -> LoginRefused:
        return LoginRefused(self.host, refusal.found, refusal.hint)

    @property
    def _sudo_advice(self) -> str:
        entry = sudoers_entry(self._ssh.user, Privilege.NO_PASSWORD)
        return f"Set `sudo_password` in SSH credential block `{self._ssh.credential}`, or add `{entry}` at the end of sudoers."

    def _become_root(self, shell: RemoteShell, exchange: Exchange) -> None:
        """Send the password when, and only when, sudo asks; LoginRefused when sudo refuses."""
        if shell.elevation.privilege is not Privilege.PASSWORD:
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
            # a signal ended the script, or the thread of the transport has not noticed the end of the connection yet
            self._connection.transport.join(0.3)
        if code == -1 and not self.alive:
            raise self._lost(None)
        if not exchange.begun:
            raise self._not_begun(shell, exchange)
        if code == TIMED_OUT and seconds >= shell.limit.total_seconds():
            raise self._timed_out(shell.limit)
        stderr = exchange.stderr.decode(errors="replace").partition(f"{shell.mark}\n")[2]
        if code == BROKEN and shell.incomplete in stderr:
            raise LoginRefused(
                self.host,
                f"the start files of the login shell of user {self._ssh.user} read standard input, and a script did not arrive complete",
                "Let .bashrc, .zshenv, .cshrc or config.fish return early when the shell is not interactive.",
            )
        return Output(code, exchange.stdout.decode(errors="replace"), stderr, seconds)

    def _not_begun(self, shell: RemoteShell, exchange: Exchange) -> LoginRefused:
        printed = exchange.stderr.decode(errors="replace").replace(shell.prompt, " ")
        printed = redact(" ".join(printed.split()), self._credential.secrets)
        privilege, user = shell.elevation.privilege, self._ssh.user
        if privilege is not Privilege.ROOT and (refusal := explain(printed, user)):
            return self._refused(refusal)
        quoted = (
            printed if len(printed) <= _LONGEST_QUOTE else f"{printed[: _LONGEST_QUOTE // 2]} ... {printed[-_LONGEST_QUOTE // 2 :]}"
        ) or "no output"
        if privilege is Privilege.ROOT:
            return LoginRefused(
                self.host,
                f"the login shell of user {user} runs no command: {quoted}",
                "Log in by hand to see the reason. The user needs a shell such as /bin/sh, whose start files do not end it and leave /usr/bin in PATH.",
            )
        what = "refuses the password" if privilege is Privilege.PASSWORD else "runs no command"
        return LoginRefused(self.host, f"sudo {what} of user {user}: {quoted}", self._sudo_advice)

    def _lost(self, error: BaseException | None) -> HostUnreachable:
        reason = str(error or self._connection.transport.get_exception() or "").strip()
        return HostUnreachable(
            self.host,
            f"the connection was lost{f' ({reason})' if reason else ''}",
            "A script that was running there ends by its own time limit.",
        )

    def _timed_out(self, limit: timedelta) -> StepTimedOut:
        return StepTimedOut(f"{self.host}: a script did not end within {limit.total_seconds():.0f} s and was stopped")
