"""Enough inotify instances for more hosts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cluster.vocabulary.errors import EnvironmentFault
from lab import inotify


def test_free_instances_are_counted_and_given_back() -> None:
    """At most the requested number is counted, at most the limit is available, and no instance stays open."""
    before = os.listdir("/proc/self/fd")
    assert inotify.free_instances(0) == 0
    assert inotify.free_instances(10**6) <= int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize(("free", "hosts", "warned"), [(54, 3, False), (53, 3, True), (26, 1, False), (25, 1, True), (12, 3, True)])
def test_a_shortage_is_reported_before_a_cluster_fails(monkeypatch: pytest.MonkeyPatch, free: int, hosts: int, warned: bool) -> None:
    """A cluster of three hosts needs 54 instances: the default limit of 128 is enough for two clusters."""
    monkeypatch.setattr(inotify, "free_instances", lambda enough: min(free, enough))
    assert (inotify.check_inotify(hosts) is not None) is warned


def test_hosts_that_could_not_even_boot_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three bare hosts need twelve instances. The error has a remedy."""
    monkeypatch.setattr(inotify, "free_instances", lambda _enough: 11)
    with pytest.raises(EnvironmentFault, match=r"\b11 .*\b12: .*sixstack lab down"):
        inotify.check_inotify(3)
