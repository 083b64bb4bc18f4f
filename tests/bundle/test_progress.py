"""Signs of life while something long is made."""

from __future__ import annotations

import time

import pytest

from bundle import progress


def test_a_part_that_takes_long_is_named_while_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever watches sees at every heartbeat what is at work, and afterwards what is next."""
    monkeypatch.setattr(progress, "HEARTBEAT", 0.02)
    said: list[str] = []
    shown = progress.Progress(said.append, ["kubelet", "etcd"], "building")
    with shown.beating(), shown.part("kubelet"):
        time.sleep(0.2)
    assert sum("0/2 building: kubelet" in line for line in said) >= 2
    assert said[-1].endswith("1/2 kubelet (0 s), next: etcd")


def test_a_failed_part_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error goes on to the caller, and the part is no longer shown as running."""
    monkeypatch.setattr(progress, "HEARTBEAT", 0.02)
    said: list[str] = []
    shown = progress.Progress(said.append, ["kubelet"], "building")
    with pytest.raises(ZeroDivisionError), shown.part("kubelet"):
        raise ZeroDivisionError
    with shown.beating():
        time.sleep(0.1)
    assert said[-1].endswith("0/1 building: nothing yet")
