"""What a host prints is limited in memory and time, whatever it prints."""

from __future__ import annotations

import json
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.errors import HostError, HostUnreachable, StepTimedOut
from cluster.vocabulary.spec import SSH
from hosts.detached import _Log, run_detached
from hosts.output_stream import OutputEnded
from hosts.session import Session
from tests.hosts.sshd import Sshd

SOON = timedelta(seconds=60)
MOST_GROWTH = 64_000_000  # bytes: 16 MB are kept, and the buffers of paramiko and of the C library come on top
ONE_LONG_LINE = "head -c 100000000 /dev/zero | tr '\\0' x"
SEQ, SEQ_SIZE = "seq 1 10000000", 78_888_897


@dataclass(frozen=True)
class Reading:
    """What read_output.py printed."""

    grown: int
    seconds: float
    error: str
    text: str
    read: int
    lines: int
    longest: int
    alive: bool


def reading(sshd: Sshd, script: str, *, detached: bool = False, streamed: int = 0, seconds: int = 60) -> Reading:
    """Run a script in a process of its own."""
    ssh = sshd.ssh()
    asked = {"address": ssh.address, "port": ssh.port, "user": ssh.user, "host_key": ssh.host_key, "key": str(sshd.key)}
    asked |= {"script": script, "detached": detached, "streamed": streamed, "seconds": seconds}
    program = str(Path(__file__).with_name("read_output.py"))
    done = subprocess.run([sys.executable, program, json.dumps(asked)], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return Reading(**json.loads(done.stdout))


class TestScript:
    """Session.run."""

    @pytest.mark.parametrize("script", ["yes", SEQ, ONE_LONG_LINE], ids=["without end", "ten million lines", "one long line"])
    def test_too_much_output_is_an_error_that_names_the_host(self, sshd: Sshd, script: str) -> None:
        """At once, and the session can be used further."""
        found = reading(sshd, script)
        assert (found.error, found.alive) == ("HostError", True)
        # the last read may bring a megabyte or two more than the limit
        assert re.match(r"loopback: a script printed 1[6-8],[0-9,]+ bytes on standard output", found.text)
        assert "sixstack reads 16,000,000 at most. Look for a program on the host that prints without end" in found.text
        assert found.grown < MOST_GROWTH
        assert found.seconds < 30

    def test_too_much_on_standard_error_is_an_error_too(self, sshd: Sshd) -> None:
        """Each stream has the limit."""
        found = reading(sshd, "yes >&2")
        assert (found.error, "bytes on standard error" in found.text) == ("HostError", True)
        assert found.grown < MOST_GROWTH

    def test_a_command_may_have_a_limit_of_its_own(self, session: Session) -> None:
        """Up to the last byte."""
        assert len(session.run("head -c 1000 /dev/zero", limit=SOON, most=1000).stdout) == 1000
        with pytest.raises(HostError, match="loopback: a script printed 1,001 bytes on standard output within"):
            session.run("head -c 1001 /dev/zero", limit=SOON, most=1000)

    def test_the_script_of_too_much_output_ends_on_the_host(self, session: Session, tmp_path: Path) -> None:
        """Its next write fails, because nobody reads."""
        with pytest.raises(HostError):
            session.run(f"echo $$ >{tmp_path}/pid; trap '' PIPE; yes; touch {tmp_path}/ended", limit=SOON)
        deadline = time.monotonic() + 30
        while not (tmp_path / "ended").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (tmp_path / "ended").exists()

    def test_a_script_that_keeps_running_has_the_limit_too(self, session: Session) -> None:
        """Before its first line, and after it."""
        with pytest.raises(HostError, match="sixstack reads 16,000,000 at most"):
            session.hold("yes | tr -d '\\n'", limit=SOON)
        held = session.hold("echo begun; yes", limit=SOON)
        assert held.first_line == "begun"
        with pytest.raises(HostError, match="sixstack reads 16,000,000 at most"):
            held.read_until("done")
        held.close()

    def test_a_long_first_line_is_cut(self, session: Session) -> None:
        """It becomes part of a message."""
        held = session.hold("head -c 100000 /dev/zero | tr '\\0' x; echo; cat", limit=SOON)
        assert held.first_line == "x" * 1000
        held.close()

    def test_a_login_shell_that_prints_without_end_is_an_error(self, own_sshd: Callable[..., Sshd]) -> None:
        """The script has not begun."""
        server = own_sshd(settings="ForceCommand yes")
        session = Session.open("loopback", server.ssh(), server.credential)
        with pytest.raises(HostError, match="bytes on standard output, before the script began within"):
            session.run("true", limit=SOON)
        session.close()

    def test_a_packet_that_is_announced_with_gigabytes_is_not_read(self, sshd: Sshd) -> None:
        """paramiko would collect up to 4 GB before it looks at the checksum."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = int(server.getsockname()[1])

            def answer() -> None:
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n" + struct.pack(">I", 0x7FFFFFF4) + b"\0" * 100_000)
                    while connection.recv(4096):
                        pass

            threading.Thread(target=answer, daemon=True).start()
            begin = time.monotonic()
            with pytest.raises(HostUnreachable, match="a packet of 2,147,483,"):
                Session.open("loopback", SSH(address="127.0.0.1", port=port, host_key=sshd.host_key()), lambda _: Credential(password="x"))
            assert time.monotonic() - begin < 5


class TestStream:
    """Session.read."""

    def test_of_a_long_output_only_a_part_is_in_memory(self, sshd: Sshd) -> None:
        """Every byte is read: more than the limit of other scripts."""
        found = reading(sshd, "head -c 100000000 /dev/zero", streamed=100_000_000)
        assert (found.error, found.read, found.alive) == ("", 100_000_000, True)
        assert found.grown < MOST_GROWTH

    def test_a_stream_has_a_limit(self, sshd: Sshd) -> None:
        """For output without end."""
        found = reading(sshd, "yes", streamed=20_000_000)
        assert (found.error, found.alive) == ("HostError", True)
        assert found.text.startswith("loopback: a script printed more than 20,000,000 bytes")
        assert found.grown < MOST_GROWTH

    def test_a_stream_ends_at_its_time_limit(self, sshd: Sshd) -> None:
        """Also one that never stops to print."""
        found = reading(sshd, "yes", streamed=1 << 50, seconds=1)
        assert (found.error, found.alive) == ("StepTimedOut", True)
        assert found.grown < MOST_GROWTH

    def test_a_host_that_does_not_keep_the_time_limit_is_left(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also when it prints so much that the reader never waits."""
        monkeypatch.setattr("hosts.session._GRACE_SECONDS", 6 - SOON.total_seconds())
        with session.read("echo first; head -c 1000 /dev/zero; sleep 60", limit=SOON, most=2000) as script:
            script.stream.line(10)
            script.stream.piece(1)
            time.sleep(6)
            with pytest.raises(StepTimedOut):
                script.stream.piece(1)

    def test_lines_and_bytes_of_any_value_are_read_in_turn(self, session: Session) -> None:
        """What follows a line is not read before it is asked for."""
        with session.read(
            "printf 'first\\n'; sleep 0.3; printf 'a\\000\\377\\nlast\\n'; echo said >&2; exit 7", limit=SOON, most=1000
        ) as script:
            assert script.stream.line(100) == "first"
            assert b"".join(script.stream.piece(1) for _ in range(3)) == b"a\0\xff"
            assert [script.stream.line(100), script.stream.line(100)] == ["", "last"]
            for read in (lambda: script.stream.line(100), lambda: script.stream.piece(1)):
                with pytest.raises(OutputEnded):
                    read()
            output = script.end()
            assert (output.exit_code, output.stdout, output.stderr) == (7, "", "said\n")

    def test_a_long_line_is_an_error(self, session: Session) -> None:
        """Up to the limit it is a line."""
        with session.read("printf 12345; echo", limit=SOON, most=1000) as script:
            assert script.stream.line(5) == "12345"
        with session.read("printf 123456; sleep 60", limit=SOON, most=1000) as script, pytest.raises(HostError, match="more than 5 bytes"):
            script.stream.line(5)

    def test_a_lost_connection_is_no_end(self, own_sshd: Callable[..., Sshd]) -> None:
        """A caller must not take the part that arrived for all of it."""
        server = own_sshd()
        session = Session.open("loopback", server.ssh(), server.credential)
        with session.read("echo first; sleep 60", limit=SOON, most=1000) as script:
            assert script.stream.line(10) == "first"
            server.drop_connections()
            with pytest.raises(OutputEnded):
                script.stream.line(10)
            with pytest.raises(HostUnreachable):
                script.end()
        session.close()

    def test_the_end_of_the_output_counts_and_not_that_of_the_script(self, session: Session) -> None:
        """sshd reports the exit code before output for which the window had no room. A process in the background makes the pause certain."""
        with session.read("echo first; { sleep 4; echo late; } & exit 3", limit=SOON, most=1000) as script:
            assert [script.stream.line(10), script.stream.line(10)] == ["first", "late"]
            assert script.end().exit_code == 3

    def test_a_script_that_is_not_read_to_its_end_is_ended(self, session: Session, tmp_path: Path) -> None:
        """When the storage fails, the host must not keep what it prepared."""
        with session.read(
            f"trap 'touch {tmp_path}/ended' EXIT; trap 'exit 1' PIPE; while :; do echo line; done", limit=SOON, most=1000
        ) as script:
            script.stream.line(10)
        deadline = time.monotonic() + 30
        while not (tmp_path / "ended").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (tmp_path / "ended").exists()


class TestDetachedStep:
    """run_detached, with a script in the place of its starter: systemd is not part of this."""

    def test_of_ten_million_lines_the_last_megabyte_is_kept(self, sshd: Sshd) -> None:
        """And a limited number is reported."""
        found = reading(sshd, f"echo started 1; {SEQ}; echo exit 0 {SEQ_SIZE} >&2", detached=True)
        assert (found.error, found.read, found.lines, found.alive) == ("", 1_000_000, 50_001, True)
        assert found.grown < MOST_GROWTH
        assert found.seconds < 60

    def test_a_long_line_is_cut(self, sshd: Sshd) -> None:
        """Its end is only in the kept output."""
        found = reading(sshd, f"echo started 1; {ONE_LONG_LINE}; echo exit 0 100000000 >&2", detached=True)
        assert (found.error, found.read, found.lines) == ("", 1_000_000, 1)
        assert found.longest == len("x" * 10_000 + " [99,990,000 bytes cut]")
        assert found.grown < MOST_GROWTH

    def test_output_without_end_ends_at_the_limit_of_the_step(self, sshd: Sshd) -> None:
        """The unit ends the step on the host."""
        found = reading(sshd, "echo started 1; timeout 2 yes; echo exit 124 0 >&2", detached=True, seconds=2)
        assert (found.error, found.lines, found.alive) == ("StepTimedOut", 50_001, True)
        assert found.text.endswith("its last line: y")
        assert found.grown < MOST_GROWTH

    def test_of_a_log_that_overtook_its_reader_the_last_megabyte_is_read(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        """The reader is killed at the end of the step, however much is left to read."""
        asked = list[str]()
        monkeypatch.setattr("hosts.detached.render", lambda *_, **__: "echo started 1; echo first; echo exit 0 5000006 >&2")

        def run(script: str, **more: object) -> object:
            asked.append(script)
            return original(script, **more) if len(asked) == 1 else original("yes | head -c 1000000", **more)  # type: ignore[arg-type]

        original = session.run
        monkeypatch.setattr(session, "run", run)
        lines = list[str]()
        result = run_detached(session, cluster="demo", step="a-step", script="", limit=SOON, on_line=lines.append)
        assert asked[1] == "tail -c +4000007 /var/lib/sixstack/steps/a-step/log | head -c 1000000"
        assert (len(result.output), lines[:2]) == (
            1_000_000,
            ["first", "[4,000,000 bytes left out: they are in /var/lib/sixstack/steps on the host]"],
        )

    @pytest.mark.parametrize("size", [1, 3, 1000])
    def test_lines_are_the_same_however_they_arrive(self, size: int) -> None:
        """In pieces of any size."""
        lines = list[str]()
        log, text = _Log(lines.append), b"started 1\nfirst\r\n\n\xc3\xa9\n" + b"y" * 10_007 + b"\nlast"
        for start in range(0, len(text), size):
            log.take(text[start : start + size])
        log.end()
        assert log.headline == "started 1"
        assert lines == ["first", "", "é", "y" * 10_000 + " [7 bytes cut]", "last"]
        assert (log.last_line, log.size, log.text) == ("last", len(text) - 10, text[10:].decode())
