"""One run at a time on a host."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest

from cluster.vocabulary.errors import HostBusy
from hosts import lock
from hosts.detached import run_detached
from hosts.lock import FencedSession, hold_host
from hosts.session import Session
from tests.hosts.conftest import LabMachine

pytestmark = pytest.mark.lab

SOON = timedelta(seconds=30)


def test_a_second_run_is_refused_with_the_name_of_the_holder(root_session: Session, machine: LabMachine) -> None:
    """Until the first run releases the lock."""
    other = machine.open()
    held = hold_host(root_session, "demo", "run-1")
    assert hold_host(root_session, "demo", "run-1") is held
    with pytest.raises(HostBusy, match="another run works on this host: cluster demo, run run-1"):
        hold_host(other, "second", "run-2")
    held.release()
    assert hold_host(other, "second", "run-2").alive
    other.close()
    assert hold_host(root_session, "demo", "run-1").alive


def test_a_run_takes_over_its_own_lock_from_a_connection_that_broke(root_session: Session, machine: LabMachine) -> None:
    """The host may not know yet that the connection is gone."""
    other = machine.open()
    first = hold_host(other, "demo", "run-1")
    second = hold_host(root_session, "demo", "run-1")
    assert second.alive
    deadline = time.monotonic() + 60
    while first.alive and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not first.alive
    other.close()
    assert second.alive


def test_a_silent_holder_loses_the_host(machine: LabMachine, root_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the network between us and the host is cut."""
    monkeypatch.setattr(lock, "SILENCE_SECONDS", 2)
    other = machine.open()
    hold_host(other, "demo", "run-1")
    deadline = time.monotonic() + 60
    while True:
        try:
            assert hold_host(root_session, "second", "run-2").alive
            break
        except HostBusy:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    other.close()


def test_heartbeats_keep_the_lock(machine: LabMachine, root_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """For longer than the timeout. The interval of the heartbeats is much shorter, so a late heartbeat is still in time."""
    monkeypatch.setattr(lock, "SILENCE_SECONDS", 8)
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.5)
    other = machine.open()
    held = hold_host(other, "demo", "run-1")
    time.sleep(10)
    assert held.alive
    with pytest.raises(HostBusy):
        hold_host(root_session, "second", "run-2")
    other.close()


class TestFence:
    """A run that lost the host changes it no more."""

    WRITE = (
        "i=0; while [ $i -lt {count} ]; do i=$((i + 1)); echo {name} >>/run/fence-test; sleep 0.05; done; echo {name} end >>/run/fence-test"
    )

    def test_two_runs_never_write_at_the_same_time(self, root_session: Session, machine: LabMachine) -> None:
        """At ten points in time, a second run takes the host from a first one whose script still runs: the script is ended before."""
        for point in range(10):
            root_session.run("rm -f /run/fence-test", limit=SOON)
            other = machine.open()
            first = FencedSession(other, hold_host(other, "demo", f"run-a{point}"))
            with ThreadPoolExecutor(1) as pool:
                running = pool.submit(first.run, self.WRITE.format(name="first", count=200), limit=SOON)
                time.sleep(point * 0.07)
                hold_host(other, "demo", f"run-a{point}").release()  # as when the host has not heard from this run for a minute
                second = FencedSession(root_session, hold_host(root_session, "demo", f"run-b{point}"))
                assert second.run(self.WRITE.format(name="second", count=3), limit=SOON).ok
                with suppress(HostBusy):  # it was so late that it did not start
                    assert running.result().exit_code != 0
            with pytest.raises(HostBusy, match=f"run-b{point}"):
                first.run("echo late >>/run/fence-test", limit=SOON)
            time.sleep(0.2)
            lines = root_session.run("cat /run/fence-test; rm /run/fence-test", limit=SOON).stdout.splitlines()
            assert lines == ["first"] * lines.count("first") + ["second"] * 3 + ["second end"], f"at point {point}"
            hold_host(root_session, "demo", f"run-b{point}").release()
            other.close()

    def test_a_script_that_no_signal_reaches_in_time_keeps_the_host_busy(self, root_session: Session, machine: LabMachine) -> None:
        """SIGTERM is ignored, SIGKILL is not: the host is free after it. Its children are ended as well."""
        other = machine.open()
        first = FencedSession(other, hold_host(other, "demo", "run-1"))
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(first.run, "trap '' TERM; echo begun >/run/fence-test; sleep 300 & wait; sleep 300", limit=SOON)
            root_session.run("until [ -e /run/fence-test ]; do sleep 0.05; done; rm /run/fence-test", limit=SOON)
            hold_host(other, "demo", "run-1").release()
            assert hold_host(root_session, "demo", "run-2").alive
            assert running.result().exit_code != 0
        assert root_session.run("pgrep -f 'sleep 300' || echo none", limit=SOON).stdout == "none\n"
        other.close()

    def test_a_step_stops_or_awaits_the_unit_of_another_step(self, root_session: Session) -> None:
        """A reset stops a kubeadm init whose run is gone, a join waits for the end of a reset; both say so in the log of the step."""
        run_detached(root_session, cluster="demo", step="prepared", script=":", limit=SOON)
        for stops, said in ((True, "stopped sixstack-long-demo-"), (False, "waited for step long of an earlier run")):
            with ThreadPoolExecutor(1) as pool:
                script = "echo begun >/run/fence-test; sleep 3; echo end >>/run/fence-test"
                long = pool.submit(run_detached, root_session, cluster="demo", step="long", script=script, limit=SOON)
                root_session.run("until [ -e /run/fence-test ]; do sleep 0.05; done", limit=SOON)
                script = "cat /run/fence-test; rm /run/fence-test"
                done = run_detached(root_session, cluster="demo", step="short", script=script, limit=SOON, stops_others=stops)
                assert long.result().exit_code == (143 if stops else 0)
            first, *rest = done.output.splitlines()
            assert first.startswith(said)
            assert rest == (["begun"] if stops else ["begun", "end"])
