"""The host keys that a cluster's machines presented on first use: read from the cluster's block, and added to it.

Nothing here rewrites a cluster file. The block is read and written under a concurrency limit of the server, because Prefect replaces blocks as a
whole: of two processes that add a key at the same time, one would lose its key, and the next first key of that machine would be accepted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import httpx
from prefect.client.orchestration import get_client

from blocks.loading import NoBlock, load
from blocks.recorded_host_keys import RecordedHostKeys
from blocks.saving import save
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.host_keys import RecordedHostKey
from runs.cluster_slot import LEASE_SECONDS, create_limit, take_lease

_ASK_SECONDS = 0.2
_WAIT_SECONDS = LEASE_SECONDS + 30  # a process that was killed while it wrote keeps the limit until its lease expires


class ClusterKeys:
    """The recorded keys of one cluster, for the sessions of a run. The block is read on first use, so a run with pinned keys needs none. Safe for threads."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._known: dict[str, RecordedHostKey] | None = None
        self._waiting: dict[str, RecordedHostKey] = {}
        self._guard = threading.Lock()  # of `_waiting`
        self._one_at_a_time = threading.Lock()  # reads or writes the block

    @property
    def cluster(self) -> str:
        """Name of the cluster."""
        return self._cluster

    def find(self, endpoint: str) -> RecordedHostKey | None:
        """The key of an endpoint; None before its first use."""
        with self._one_at_a_time:
            if self._known is None:
                self._known = _by_endpoint(recorded_keys(self._cluster))
            return self._known.get(endpoint)

    def record(self, first: RecordedHostKey) -> RecordedHostKey:
        """Record a key and return the recorded one: another key if another run was first. Keys of threads that wait here are written together."""
        with self._guard:
            self._waiting.setdefault(first.endpoint, first)
        with self._one_at_a_time:
            if self._known is None or first.endpoint not in self._known:
                with self._guard:
                    new = tuple(self._waiting.values())
                self._known = _by_endpoint(_change(self._cluster, lambda keys: _with_new(keys, new)))
            with self._guard:
                self._waiting.pop(first.endpoint, None)
            return self._known[first.endpoint]


def recorded_keys(cluster: str) -> tuple[RecordedHostKey, ...]:
    """The recorded keys of a cluster; () when there are none."""
    try:
        return load(RecordedHostKeys, cluster).keys
    except NoBlock:
        return ()


def forget_keys(cluster: str, names: Iterable[str]) -> tuple[RecordedHostKey, ...]:
    """Remove the keys of hosts (by name) or endpoints from the block; returns the removed keys."""
    forgotten: list[RecordedHostKey] = []

    def without(keys: tuple[RecordedHostKey, ...]) -> tuple[RecordedHostKey, ...]:
        forgotten.extend(key for key in keys if {key.forget_name, key.endpoint} & wanted)
        return tuple(key for key in keys if key not in forgotten)

    wanted = set(names)
    _change(cluster, without)
    return tuple(forgotten)


def _with_new(keys: tuple[RecordedHostKey, ...], new: Iterable[RecordedHostKey]) -> tuple[RecordedHostKey, ...]:
    """The recorded keys never change: a new key is added only for an endpoint without one."""
    known = {key.endpoint for key in keys}
    return (*keys, *(key for key in new if key.endpoint not in known))


def _by_endpoint(keys: Iterable[RecordedHostKey]) -> dict[str, RecordedHostKey]:
    return {key.endpoint: key for key in keys}


def _change(cluster: str, change: Callable[[tuple[RecordedHostKey, ...]], tuple[RecordedHostKey, ...]]) -> tuple[RecordedHostKey, ...]:
    """Change the keys in the block while no other process does; returns the keys as they are then."""
    try:
        with _only_writer(cluster):
            keys = recorded_keys(cluster)
            changed = change(keys)
            if changed != keys:
                save(RecordedHostKeys(keys=changed), cluster, overwrite=True)
    except httpx.HTTPError as error:
        raise EnvironmentFault(f"the block recorded-host-keys/{cluster} cannot be changed: {error}") from error
    return changed


@contextmanager
def _only_writer(cluster: str) -> Iterator[None]:
    """Wait until no other process changes the block; EnvironmentFault when the limit stays occupied."""
    name, deadline = f"sixstack-host-keys-{cluster}", time.monotonic() + _WAIT_SECONDS
    with get_client(sync_client=True) as client:
        create_limit(client, name)
        while (lease := take_lease(client, name)) is None:
            if time.monotonic() > deadline:
                raise EnvironmentFault(
                    f"the block recorded-host-keys/{cluster} cannot be changed: the concurrency limit {name} is occupied"
                )
            time.sleep(_ASK_SECONDS)
        try:
            yield
        finally:
            client.release_concurrency_slots_with_lease(lease)
