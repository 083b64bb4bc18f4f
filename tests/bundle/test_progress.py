"""Progress and heartbeats of long operations."""

from __future__ import annotations

import re
import threading

import pytest

from bundle import progress


class Said(list[str]):
    """The reported lines; a test can wait for a number of equal lines."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.awaited = threading.Semaphore(0)
        self._words = words

    def append(self, line: str) -> None:
        """Add a reported line."""
        super().append(line)
        if self._words in line:
            self.awaited.release()


def test_a_part_that_takes_long_is_named_while_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each heartbeat has the running parts, and the line at the end of a part has the next part."""
    monkeypatch.setattr(progress, "HEARTBEAT", 0.02)
    said = Said("0/2 building: kubelet")
    shown = progress.Progress(said.append, ["kubelet", "etcd"], "building")
    with shown.heartbeat(), shown.part("kubelet"):
        assert said.awaited.acquire(timeout=60)
        assert said.awaited.acquire(timeout=60)
    assert [line for line in said if re.search(r"1/2 kubelet \(\d+ s\), next: etcd$", line)]


def test_a_failed_part_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error reaches the caller, and the part is no longer reported as running."""
    monkeypatch.setattr(progress, "HEARTBEAT", 0.02)
    said = Said("0/1 building: nothing yet")
    shown = progress.Progress(said.append, ["kubelet"], "building")
    with pytest.raises(ZeroDivisionError), shown.part("kubelet"):
        raise ZeroDivisionError
    with shown.heartbeat():
        assert said.awaited.acquire(timeout=60)
    assert said[-1].endswith("0/1 building: nothing yet")
