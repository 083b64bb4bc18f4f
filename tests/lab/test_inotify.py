"""Counting the machine's inotify instances."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from lab import inotify


def test_a_new_instance_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that this process opens adds one (to those of its user)."""
    monkeypatch.setattr(Path, "glob", lambda _self, _pattern: [Path(f"/proc/{os.getpid()}")])
    monkeypatch.setattr(inotify, "ROOT_ID", os.getuid())
    before = inotify.instances_in_use()
    handle = ctypes.CDLL(None).inotify_init()
    try:
        assert inotify.instances_in_use() == before + 1
    finally:
        os.close(handle)


@pytest.mark.parametrize(("used", "hosts", "warned"), [(0, 3, False), (74, 3, False), (75, 3, True), (103, 1, True), (102, 1, False)])
def test_a_shortage_is_said_before_hosts_fail_of_it(monkeypatch: pytest.MonkeyPatch, used: int, hosts: int, warned: bool) -> None:
    """With the usual limit of 128 there is room for two clusters of three, not for more."""
    monkeypatch.setattr(inotify, "instances_in_use", lambda: used)
    monkeypatch.setattr(inotify, "machine_limit", lambda: 128)
    assert (inotify.inotify_shortage(hosts) is not None) is warned
