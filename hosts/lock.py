"""One run at a time on a host: two cluster files may name the same machine.

A script on the host holds an flock for as long as we send it a sign of life. A connection that breaks unnoticed thus frees the host after
a minute, not after the two hours that the kernel gives a silent TCP connection.
"""

from __future__ import annotations

import re
import threading
import weakref
from datetime import timedelta

from cluster.vocabulary.errors import Bug, HostBusy, HostUnreachable
from hosts.session import Held, Session
from templates import render

SIGN_SECONDS = 15.0
SILENCE_SECONDS = 60
_LIMIT = timedelta(seconds=30)
_WORD = re.compile(r"^[A-Za-z0-9._-]+$")


class _Place:
    """Where a session's lock is kept; two tasks that ask at once must not take it from each other."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.lock: HostLock | None = None


_places: weakref.WeakKeyDictionary[Session, _Place] = weakref.WeakKeyDictionary()
_guard = threading.Lock()


class HostLock:
    """The lock of one host, held until `release`, or until the connection ends."""

    def __init__(self, session: Session, cluster: str, run: str) -> None:
        if not (_WORD.match(cluster) and _WORD.match(run)):
            raise Bug(f"not words for a lock file: {cluster!r}, {run!r}")
        self.host, self.run = session.host, run
        self._stop = threading.Event()
        self._held: Held = session.hold(render("step/lock.sh.j2", cluster=cluster, run=run, silence=SILENCE_SECONDS), limit=_LIMIT)
        word, _, holder = self._held.said.partition(" ")
        if word != "held":
            self._held.close()
            if word != "busy":
                raise HostUnreachable(self.host, f"the host's lock could not be taken: {self._held.said}")
            raise HostBusy(f"{self.host}: another run works on this host: {holder}")
        threading.Thread(target=self._stay_alive, name=f"lock of {self.host}", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the host is still ours, as far as is known."""
        return not self._stop.is_set() and self._held.alive

    def release(self) -> None:
        """Let the host go; harmless the second time."""
        self._stop.set()
        self._held.close()

    def _stay_alive(self) -> None:
        while not self._stop.wait(SIGN_SECONDS):
            try:
                self._held.send(b".\n")
            except (OSError, EOFError):
                self._stop.set()


def hold_host(session: Session, cluster: str, run: str) -> HostLock:
    """Hold a host for a run, for as long as its session lives; taken already by this run on this session, it is simply kept.

    HostBusy names the cluster and run that hold it. A lock that the same run left behind on a broken connection is taken over.
    """
    with _guard:
        place = _places.setdefault(session, _Place())
    with place.guard:
        if place.lock is None or not place.lock.alive or place.lock.run != run:
            place.lock = HostLock(session, cluster, run)
        return place.lock
