"""Long steps on a real systemd: they outlive connections, callers attach to them, and they never run twice at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from cluster.vocabulary.errors import Bug, HostBusy, HostUnreachable, StepTimedOut
from hosts.detached import StepResult, run_detached
from hosts.session import Session
from lab import hosts
from tests.conftest import BOTH, LAB
from tests.hosts.conftest import LabMachine

SOON = timedelta(seconds=60)
FOLDER = "/var/lib/sixstack/steps/a-step"

pytestmark = pytest.mark.lab


@pytest.fixture
def session(root_session: Session) -> Iterator[Session]:
    """A session with a host on which the step has never run."""
    root_session.run(f"systemctl stop 'sixstack-*'; rm -rf {FOLDER} /run/step-test; mkdir /run/step-test", limit=SOON)
    yield root_session
    if root_session.alive:
        look = f"systemctl list-units --all --plain --no-legend 'sixstack-*'; ls -d {FOLDER}/work; rm -rf {FOLDER}"
        assert root_session.run(look, limit=SOON).stdout == ""


def step(session: Session, script: str, **more: object) -> StepResult:
    """Run it as step `a-step` of cluster `demo`."""
    return run_detached(session, **{"cluster": "demo", "step": "a-step", "script": script, "limit": SOON, **more})  # type: ignore[arg-type]


# a script that waits in its middle until the test lets it go on: no test guesses how long anything takes
BEGIN = "echo began | tee -a /run/step-test/began"
WAIT = "until [ -e /run/step-test/go ]; do sleep 0.1; done"


def let_go(session: Session) -> None:
    """End the waiting of a script."""
    session.run("touch /run/step-test/go", limit=SOON)


def until_begun(session: Session) -> None:
    """Wait until a script has begun."""
    session.run("until [ -s /run/step-test/began ]; do sleep 0.1; done", limit=SOON)


def until_gone(session: Session, command_line: str) -> None:
    """Wait until no process has such a command line."""
    session.run(f"while pgrep -f '{command_line}' >/dev/null; do sleep 0.1; done", limit=SOON)


class TestResult:
    """What comes back."""

    def test_exit_code_output_and_attempt_are_returned(self, session: Session) -> None:
        """Both streams, in order; the exit code lies on the disk too."""
        assert step(session, "echo out; echo err >&2; exit 3") == StepResult(3, "out\nerr\n", 1, False)
        assert step(session, "true").attempt == 2
        assert session.run(f"cat {FOLDER}/exit_code {FOLDER}/attempt", limit=SOON).stdout == "0\n2\n"

    def test_lines_are_reported_immediately_and_none_is_lost(self, session: Session, machine: LabMachine) -> None:
        """The step goes on when its first line was told; the log's end may overtake its reader."""
        other, lines = machine.open(), list[str]()

        def take(line: str) -> None:
            lines.append(line)
            if line == "first":
                let_go(other)

        result = step(session, f"echo first; {WAIT}; seq 1 20000; printf 'no newline'", on_line=take)
        other.close()
        assert lines == ["first", *map(str, range(1, 20001)), "no newline"]
        assert result.output.endswith("20000\nno newline")

    def test_without_a_listener_the_output_comes_at_the_end(self, session: Session) -> None:
        """The last megabyte of it."""
        output = step(session, "seq 1 300000").output
        assert len(output) == 1_000_000
        assert output.endswith("\n300000\n")

    def test_inputs_are_files_of_root_alone_and_gone_afterwards(self, session: Session) -> None:
        """On no command line, in no environment."""
        script = 'stat -c "%a %U" "$SIXSTACK_STEP_DIR" "$SIXSTACK_STEP_DIR/token"; cat "$SIXSTACK_STEP_DIR/token"; grep -ls canary-word /proc/[0-9]*/cmdline /proc/[0-9]*/environ'
        assert step(session, script, inputs={"token": b"canary-word"}).output == "700 root\n600 root\ncanary-word"
        assert (
            session.run(
                "grep -rl canary-word /var/lib/sixstack --exclude=log; ls /run/systemd/transient | grep ^sixstack", limit=SOON
            ).stdout
            == ""
        )

    def test_names_that_leave_the_folder_are_refused(self, session: Session) -> None:
        """Ours alone, so this is a bug."""
        for inputs in ({"../x": b""}, {".script": b""}, {"a/b": b""}):
            with pytest.raises(Bug):
                step(session, "true", inputs=inputs)
        with pytest.raises(Bug):
            step(session, "true", step="a step; rm")

    def test_a_time_limit_ends_the_step_and_all_it_started(self, session: Session) -> None:
        """The error has the last output."""
        with pytest.raises(StepTimedOut, match=r"step a-step \(attempt 1\) did not end within 5 s and was stopped; its last line: waiting"):
            step(session, "sleep 4321 & echo waiting; sleep 4321", limit=timedelta(seconds=5))
        until_gone(session, "sleep 4321")

    def test_a_daemon_that_the_step_leaves_does_not_hold_the_lock(self, session: Session) -> None:
        """It ends with the unit; the next attempt is not kept waiting, which would be until its own limit."""
        step(session, "sleep 4322 & true")
        assert step(session, "true").attempt == 2
        until_gone(session, "sleep 4322")


class TestAttaching:
    """Whoever comes while it runs."""

    def test_a_caller_that_lost_its_connection_attaches_to_the_running_step(self, session: Session, machine: LabMachine) -> None:
        """The unit goes on meanwhile, and runs once."""
        other, third = machine.open(), machine.open()
        pid = other.run("tr '\\0' ' ' </proc/$PPID/stat >/dev/null; ps -o ppid= -p $PPID | tr -d ' '", limit=SOON).stdout.strip()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(step, other, f"{BEGIN}; {WAIT}; exit 6", inputs={"x": b"1"})
            until_begun(session)
            session.run(f"kill -9 {pid}", limit=SOON)
            with pytest.raises(HostUnreachable):
                running.result()
        other.close()
        # an attached caller gets the log from its beginning, so a line of the log proves that the caller is attached
        result = step(session, "echo never", on_line=lambda _line: let_go(third))
        assert result == StepResult(6, "began\n", 1, True)
        assert session.run("cat /run/step-test/began", limit=SOON).stdout == "began\n"
        third.close()

    def test_several_callers_at_once_start_it_once(self, session: Session, machine: LabMachine) -> None:
        """Six threads; all get the same result. The step ends when it has told each of them its first line."""
        other = machine.open()
        told = threading.Barrier(6, lambda: let_go(other), timeout=SOON.total_seconds())
        with ThreadPoolExecutor(6) as pool:
            results = list(pool.map(lambda _: step(session, f"{BEGIN}; {WAIT}", on_line=lambda _line: told.wait()), range(6)))
        other.close()
        assert {result.attempt for result in results} == {1}
        assert sorted(result.attached for result in results) == [False, True, True, True, True, True]
        assert session.run("cat /run/step-test/began", limit=SOON).stdout == "began\n"

    def test_another_cluster_s_step_is_not_attached_to(self, session: Session) -> None:
        """Two cluster files may name one host."""
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(step, session, f"{BEGIN}; {WAIT}", cluster="other")
            until_begun(session)
            with pytest.raises(HostBusy, match="step a-step of cluster other is running there"):
                step(session, "true")
            let_go(session)
            assert running.result().exit_code == 0


class TestLeftovers:
    """What a step that did not end well leaves."""

    def test_a_stop_from_outside_is_an_end_with_an_exit_code(self, session: Session) -> None:
        """As at an orderly shutdown."""
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(step, session, f"{BEGIN}; {WAIT}")
            until_begun(session)
            session.run("systemctl stop 'sixstack-a-step-*'", limit=SOON)
            assert running.result().exit_code == 143
        assert step(session, "true").attempt == 2

    def test_a_power_failure_in_the_middle_leaves_no_secret_and_is_tried_again(self, session: Session, machine: LabMachine) -> None:
        """Neither unit nor exit code is there afterwards; the secret of the first attempt goes before the second begins."""
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(step, session, f"sync; {BEGIN}; {WAIT}", inputs={"token": b"canary-word"}, limit=timedelta(minutes=10))
            other = machine.open()
            until_begun(other)
            start = time.monotonic()
            try:
                hosts.power_off(machine.name, LAB)
                with pytest.raises(HostUnreachable):
                    running.result()
            finally:
                hosts.up(LAB, hosts=3, families=BOTH, management=BOTH)
            # no FIN and no RST comes from a host without power: what ends the waiting is not the step's limit
            assert time.monotonic() - start < 300
            other.close()
        again = machine.open()
        assert again.run(f"cat {FOLDER}/exit_code; ls {FOLDER}/work", limit=SOON).stdout.split() == ["token"]
        result = step(again, 'echo run; ls "$SIXSTACK_STEP_DIR"')
        assert (result.attempt, result.output) == (2, "run\n")
        again.run(f"rm -rf {FOLDER}", limit=SOON)
        again.close()
