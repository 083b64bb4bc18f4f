"""The sessions of one flow run: opened on first use, shared by its tasks, closed by the flow."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.errors import Bug
from cluster.vocabulary.spec import Host
from hosts.host_keys import RecordedKeys
from hosts.session import Session


class SessionPool:
    """One session for each host, opened on first use and again after its connection was lost. Safe for threads."""

    def __init__(self, recorded: RecordedKeys | None = None) -> None:
        self._recorded = recorded  # host keys for `trust-on-first-use`
        self._lock = threading.Lock()
        self._host_locks: dict[str, threading.Lock] = {}
        self._sessions: dict[str, Session] = {}
        self._closed = False

    def session(self, host: Host, credentials: Callable[[str], Credential]) -> Session:
        """The open session of a host; raises as `Session.open` does. `credentials` maps a block name to its credential."""
        with self._lock:
            host_lock = self._host_locks.setdefault(host.name, threading.Lock())
        # one thread opens, the others wait for it; hosts do not wait for each other
        with host_lock:
            with self._lock:
                if self._closed:
                    raise Bug(f"{host.name}: a session was asked for after the run had closed its sessions")
                session = self._sessions.get(host.name)
            if session is not None and session.alive:
                return session
            if session is not None:
                session.close()
            session = Session.open(host.name, host.ssh, credentials, self._recorded)
            with self._lock:
                if not self._closed:
                    self._sessions[host.name] = session
                    return session
        session.close()
        raise Bug(f"{host.name}: the run closed its sessions while this one was being opened")

    def close(self) -> None:
        """Close every session; a second call has no effect."""
        with self._lock:
            self._closed = True
            sessions, self._sessions = tuple(self._sessions.values()), {}
        for session in sessions:
            session.close()


_pools: dict[str, SessionPool] = {}
_guard = threading.Lock()


def open_pool(key: str, recorded: RecordedKeys | None = None) -> SessionPool:
    """The pool of a flow run (`key`: its id); created on the first call, with the recorded host keys of its cluster."""
    with _guard:
        return _pools.setdefault(key, SessionPool(recorded))


def pool(key: str) -> SessionPool:
    """The pool that `open_pool` created; Bug when there is none."""
    with _guard:
        try:
            return _pools[key]
        except KeyError:
            raise Bug(f"no SSH sessions are open for run {key}") from None


def close_all_pools() -> None:
    """Close the sessions of all flow runs of this process."""
    with _guard:
        keys = tuple(_pools)
    for key in keys:
        close_pool(key)


def close_pool(key: str) -> None:
    """Close all sessions of a run and remove its pool; no effect without a pool."""
    with _guard:
        closing = _pools.pop(key, None)
    if closing is not None:
        closing.close()
