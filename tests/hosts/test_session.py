"""Running scripts: one round trip, both streams, time limits, lost connections."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from cluster.vocabulary.errors import HostError, HostUnreachable, StepTimedOut
from hosts.privilege import Elevation, Privilege
from hosts.remote_shell import RemoteShell
from hosts.session import Session
from tests.hosts.sshd import Sshd

SOON = timedelta(seconds=60)


def processes_with(word: str) -> list[str]:
    """Command lines on this machine that hold a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line:
            found.append(line)
    return found


class TestRun:
    """Session.run."""

    def test_exit_code_and_both_streams_come_back(self, session: Session) -> None:
        """The exit code is for the caller to judge."""
        output = session.run("echo out; echo err >&2; exit 3", limit=SOON)
        assert (output.exit_code, output.stdout, output.stderr, output.ok) == (3, "out\n", "err\n", False)

    def test_standard_input_is_the_data_and_nothing_of_the_script(self, session: Session) -> None:
        """dash reads ahead when its script comes over standard input: the data would be eaten."""
        assert session.run('read -r first\necho "$first"\ncat', limit=SOON, stdin=b"one\ntwo\n").stdout == "one\ntwo\n"
        assert session.run("cat", limit=SOON).stdout == ""

    @pytest.mark.parametrize(
        "script", ["", "true", "echo 'it''s' \"$HOME\" \\\\ !", 'x="$(cat <<\'E\'\nhere\nE\n)"; echo "$x"', "echo é; exit 0 # no newline"]
    )
    def test_any_text_is_a_script(self, session: Session, script: str) -> None:
        """Quotes, backslashes, here-documents, UTF-8, nothing at all."""
        alone = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False)
        output = session.run(script, limit=SOON)
        assert (output.exit_code, output.stdout) == (alone.returncode, alone.stdout)

    def test_the_script_stands_on_no_command_line(self, session: Session, tmp_path: Path) -> None:
        """Everybody on a host may read command lines. The script goes on when they were read."""
        begun, go = threading.Event(), tmp_path / "go"
        script = f"word=cl4ssified; echo begun; until [ -e {go} ]; do sleep 0.1; done; echo $word"
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(session.run, script, limit=SOON, on_output=lambda _: begun.set())
            assert begun.wait(SOON.total_seconds())
            seen = processes_with("cl4ssified")
            go.touch()
            assert running.result().stdout == "begun\ncl4ssified\n"
        assert not [line for line in seen if "pytest" not in line]

    def test_ten_megabytes_on_both_streams_come_back(self, session: Session) -> None:
        """Read one after the other, each would wait for the other's window (paramiko#1778)."""
        output = session.run("head -c 10000000 /dev/zero; head -c 10000000 /dev/zero >&2; head -c 1000000 /dev/zero", limit=SOON)
        assert (len(output.stdout), len(output.stderr)) == (11_000_000, 10_000_000)

    def test_a_script_that_answers_while_it_is_still_being_fed_does_not_stop(self, session: Session) -> None:
        """20 MB there and back: both windows are full at times."""
        assert session.run("cat", limit=SOON, stdin=b"x" * 20_000_000, most=20_000_000).stdout == "x" * 20_000_000

    def test_a_script_that_does_not_read_its_data_ends_with_its_own_exit_code(self, session: Session) -> None:
        """No error of ours hides it."""
        assert session.run("exit 5", limit=SOON, stdin=b"x" * 20_000_000).exit_code == 5

    def test_a_script_that_leaves_something_in_the_background_ends_anyway(self, session: Session) -> None:
        """Its streams stay open, which is not waited for: it still runs when the result is there."""
        pid = int(session.run("sleep 987.5 & echo $!", limit=SOON).stdout)
        assert processes_with("sleep 987.5")
        os.kill(pid, signal.SIGKILL)

    def test_output_is_reported_immediately(self, session: Session, tmp_path: Path) -> None:
        """The script ends only when its first line was told."""
        go = tmp_path / "go"
        script = f"echo a; until [ -e {go} ]; do sleep 0.1; done; echo b"
        assert session.run(script, limit=SOON, on_output=lambda _: go.touch()).stdout == "a\nb\n"

    def test_a_time_limit_ends_the_script_on_the_host_too(self, session: Session) -> None:
        """Closing the channel alone would leave it running."""
        with pytest.raises(StepTimedOut, match="loopback: a script did not end within 1 s"):
            session.run("sleep 987.25", limit=timedelta(seconds=1))
        deadline = time.monotonic() + 60
        while processes_with("sleep 987.25") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not processes_with("sleep 987.25")
        assert session.run("echo alive", limit=SOON).stdout == "alive\n"

    def test_a_script_killed_by_a_signal_differs_from_a_lost_connection(self, session: Session) -> None:
        """Exit code -1, and the session lives."""
        assert session.run("kill -9 $$", limit=SOON).exit_code == -1
        assert session.alive

    def test_a_connection_lost_in_the_middle_is_unreachable(self, own_sshd: Callable[..., Sshd]) -> None:
        """At once, not at the time limit."""
        server = own_sshd()
        session = Session.open("loopback", server.ssh(), server.credential)
        start = time.monotonic()
        with pytest.raises(HostUnreachable, match="loopback: the connection was lost"):
            session.run("echo begun; sleep 90", limit=timedelta(minutes=2), on_output=lambda _: server.drop_connections())
        assert time.monotonic() - start < 60
        assert not session.alive
        with pytest.raises(HostUnreachable, match="the connection is lost"):
            session.run("true", limit=SOON)
        session.close()

    def test_a_host_that_stops_answering_ends_at_our_own_deadline(
        self, own_sshd: Callable[..., Sshd], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The far side's time limit cannot speak when it is frozen."""
        monkeypatch.setattr("hosts.session._GRACE_SECONDS", 1.0)
        monkeypatch.setattr("hosts.channels._OPEN_SECONDS", 2.0)
        server = own_sshd()
        session = Session.open("loopback", server.ssh(), server.credential)
        server.freeze()
        start = time.monotonic()
        with pytest.raises((StepTimedOut, HostUnreachable)):
            session.run("true", limit=timedelta(seconds=1))
        assert time.monotonic() - start < 60
        session.close()

    def test_a_script_whose_end_was_lost_does_not_run_at_all(self) -> None:
        """Its first half could be the dangerous one (`rm -rf /var/lib/$unset...`)."""
        shell = RemoteShell("echo first half; exit 0", timedelta(seconds=5), Elevation(Privilege.ROOT))
        cut = subprocess.run(["/bin/sh", "-c", shell.command], input=shell.payload[:-20], capture_output=True, check=False)
        whole = subprocess.run(["/bin/sh", "-c", shell.command], input=shell.payload, capture_output=True, check=False)
        assert (cut.returncode, b"first" in cut.stdout) == (97, False)
        assert (whole.returncode, b"first half" in whole.stdout) == (0, True)

    def test_what_a_login_shell_prints_is_not_the_script_s(self, own_sshd: Callable[..., Sshd], tmp_path: Path) -> None:
        """A .bashrc that prints, a banner, a greeting."""
        noisy = tmp_path / "noisy"
        noisy.write_text('#!/bin/sh\necho "Welcome to h"\necho motd >&2\nexec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n')
        noisy.chmod(0o755)
        server = own_sshd(settings=f"ForceCommand {noisy}")
        session = Session.open("loopback", server.ssh(), server.credential)
        assert session.run("echo mine", limit=SOON).stdout == "mine\n"
        session.close()

    def test_a_login_that_runs_no_commands_is_refused_with_what_it_said(self, own_sshd: Callable[..., Sshd]) -> None:
        """As nologin does."""
        server = own_sshd(settings='ForceCommand sh -c "echo This account is not available >&2; exit 1"')
        session = Session.open("loopback", server.ssh(), server.credential)
        with pytest.raises(HostError, match="runs no command: This account is not available"):
            session.run("true", limit=SOON)
        session.close()


class TestChannels:
    """Several things at once over one connection."""

    def test_more_threads_than_sshd_has_sessions_wait_for_each_other(self, session: Session) -> None:
        """30 at once; MaxSessions is 10."""
        with ThreadPoolExecutor(30) as pool:
            said = list(pool.map(lambda number: session.run(f"sleep 0.1; echo {number}", limit=SOON).stdout.strip(), range(30)))
        assert said == [str(number) for number in range(30)]

    def test_a_lower_limit_of_the_server_is_kept_to(self, own_sshd: Callable[..., Sshd]) -> None:
        """MaxSessions 2, found out by being refused."""
        server = own_sshd(settings="MaxSessions 2")
        session = Session.open("loopback", server.ssh(), server.credential)
        with ThreadPoolExecutor(6) as pool:
            assert sorted(pool.map(lambda number: session.run(f"sleep 0.1; echo {number}", limit=SOON).stdout.strip(), range(6))) == list(
                "012345"
            )
        session.close()

    def test_a_server_without_sessions_is_an_error_with_its_remedy(self, own_sshd: Callable[..., Sshd]) -> None:
        """MaxSessions 0 is sshd for forwarding alone."""
        server = own_sshd(settings="MaxSessions 0")
        session = Session.open("loopback", server.ssh(), server.credential)
        with pytest.raises(HostError, match=r"opens no session .*MaxSessions"):
            session.run("true", limit=SOON)
        session.close()

    def test_a_held_script_runs_until_it_is_released(self, session: Session, tmp_path: Path) -> None:
        """Its first line is there, other scripts run beside it, its end follows ours."""
        gone = tmp_path / "gone"
        held = session.hold(f"echo ready; cat >/dev/null; touch {gone}", limit=SOON)
        assert held.first_line == "ready"
        assert held.alive
        assert session.run("echo beside", limit=SOON).stdout == "beside\n"
        held.close()
        held.close()
        deadline = time.monotonic() + 60
        while not gone.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert gone.exists()


class TestDial:
    """TCP connections made by the host."""

    def test_what_the_host_reaches_is_reached(self, session: Session, sshd: Sshd) -> None:
        """Here: its own SSH server."""
        channel = session.dial("127.0.0.1", sshd.port)
        channel.settimeout(10)
        assert channel.recv(4) == b"SSH-"
        channel.close()

    def test_a_closed_port_is_unreachable(self, session: Session) -> None:
        """With host, address and port in the message."""
        with pytest.raises(HostUnreachable, match=r"loopback: the host's sshd does not reach \[::1\]:1 "):
            session.dial("::1", 1)
