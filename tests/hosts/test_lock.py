"""One run at a time on a host."""

from __future__ import annotations

import time

import pytest

from cluster.vocabulary.errors import HostBusy
from hosts import lock
from hosts.lock import hold_host
from hosts.session import Session
from tests.hosts.conftest import LabMachine

pytestmark = pytest.mark.lab


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
