"""One run at a time on a host: two cluster files may name the same machine.

A script on the host holds an flock while this side sends heartbeats. A connection that breaks unnoticed frees the host after one minute,
not after the two hours of the kernel's timeout for a silent TCP connection. The scripts of a run are fenced: they start only while their
run is the last one that took the lock, and a run that takes the lock ends those that still run (docs/decisions/one-run-at-a-time.md).
"""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from cluster.vocabulary.errors import Bug, HostBusy, HostUnreachable
from hosts.exchange import MOST_OUTPUT
from hosts.session import Held, Output, ReadScript, Session, Shell
from templates import render

HEARTBEAT_SECONDS = 15.0
SILENCE_SECONDS = 60
_LIMIT = timedelta(seconds=30)
_FENCED = 77  # exit code of step/fence.sh.j2
_WORD = re.compile(r"^[A-Za-z0-9._-]+$")


class _Slot:
    """The lock of one session; `guard` keeps two tasks from creating it at once."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.lock: HostLock | None = None


_slots: weakref.WeakKeyDictionary[Session, _Slot] = weakref.WeakKeyDictionary()
_guard = threading.Lock()


class HostLock:
    """The lock of one host, held until `release` or the end of the connection."""

    def __init__(self, session: Session, cluster: str, run: str) -> None:
        if not (_WORD.match(cluster) and _WORD.match(run)):
            raise Bug(f"not words for a lock file: {cluster!r}, {run!r}")
        self.host, self.cluster, self.run = session.host, cluster, run
        self._stop = threading.Event()
        self._held: Held = session.hold(render("step/lock.sh.j2", cluster=cluster, run=run, silence=SILENCE_SECONDS), limit=_LIMIT)
        word, _, holder = self._held.first_line.partition(" ")
        if word != "held":
            self._held.close()
            if word != "busy":
                raise HostUnreachable(self.host, f"the host's lock could not be taken: {self._held.first_line}")
            raise HostBusy(f"{self.host}: another run works on this host: {holder}")
        threading.Thread(target=self._send_heartbeats, name=f"lock of {self.host}", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the lock is still held, to the knowledge of this side."""
        return not self._stop.is_set() and self._held.alive

    def release(self) -> None:
        """Release the host; a second call has no effect."""
        self._stop.set()
        self._held.close()

    def _send_heartbeats(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            try:
                self._held.send(b".\n")
            except (OSError, EOFError):
                self._stop.set()


def hold_host(session: Session, cluster: str, run: str) -> HostLock:
    """Lock a host for a run until the end of the session; a lock that this run holds on this session already is returned.

    HostBusy names the cluster and the run that hold the lock. A lock of the same run on a broken connection is taken over.
    """
    with _guard:
        slot = _slots.setdefault(session, _Slot())
    with slot.guard:
        if slot.lock is None or not slot.lock.alive or slot.lock.run != run:
            slot.lock = HostLock(session, cluster, run)
        return slot.lock


class FencedSession(Shell):
    """A session of a run that holds the host's lock. HostBusy when another run has taken the host since."""

    def __init__(self, session: Session, lock: HostLock) -> None:
        self._session = session
        self._fence = render("step/fence.sh.j2", cluster=lock.cluster, run=lock.run, fenced=_FENCED)

    @property
    def host(self) -> str:
        """The host's name in the cluster file."""
        return self._session.host

    def feed(
        self,
        script: str,
        data: Iterable[bytes],
        *,
        limit: timedelta,
        on_output: Callable[[bytes], None] | None = None,
        most: int = MOST_OUTPUT,
        only_last: bool = False,
    ) -> Output:
        """The fence, then the script."""
        return self._checked(
            self._session.feed(f"{self._fence}\n{script}", data, limit=limit, on_output=on_output, most=most, only_last=only_last)
        )

    @contextmanager
    def read(self, script: str, *, limit: timedelta, most: int) -> Iterator[ReadScript]:
        """As Session.read."""
        with self._session.read(f"{self._fence}\n{script}", limit=limit, most=most) as reading:
            yield ReadScript(reading.stream, lambda: self._checked(reading.end()))

    def _checked(self, output: Output) -> Output:
        if output.exit_code == _FENCED:
            raise HostBusy(f"{self.host}: {output.stderr.strip()}")
        return output
