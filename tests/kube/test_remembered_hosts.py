"""The ConfigMap with SSH endpoints, on a real API server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from kube.client import KubeApi
from kube.remembered_hosts import CONFIG_MAPS, forget_host, remember_host, remembered_hosts

pytestmark = pytest.mark.bundle


def test_endpoints_are_remembered_changed_and_forgotten(api: KubeApi) -> None:
    """The second time, nothing changes."""
    assert remembered_hosts(api) == {}
    assert forget_host(api, "a") is False
    assert [remember_host(api, "a", "1"), remember_host(api, "a", "1"), remember_host(api, "a", "2")] == [True, False, True]
    assert remembered_hosts(api) == {"a": "2"}
    assert [forget_host(api, "a"), forget_host(api, "a")] == [True, False]
    assert remembered_hosts(api) == {}
    assert remember_host(api, "a.example", "3") is True  # into the empty ConfigMap
    api.delete(f"{CONFIG_MAPS}/sixstack-hosts")


def test_a_host_is_remembered_though_another_one_was_first(api: KubeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ConfigMap appears between the look for it and its creation."""
    remember_host(api, "first", "x")
    find, first_look = api.find, iter([None])
    monkeypatch.setattr(api, "find", lambda path: next(first_look, find(path)))
    assert remember_host(api, "second", "x") is True
    monkeypatch.undo()
    assert set(remembered_hosts(api)) == {"first", "second"}
    api.delete(f"{CONFIG_MAPS}/sixstack-hosts")


def test_hosts_that_are_remembered_at_the_same_time_are_all_there(api: KubeApi) -> None:
    """Also when the ConfigMap does not exist yet."""
    names = [f"node-{number}" for number in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        assert all(pool.map(lambda name: remember_host(api, name, "x"), names))
    assert set(remembered_hosts(api)) == set(names)
    api.delete(f"{CONFIG_MAPS}/sixstack-hosts")
