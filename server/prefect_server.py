"""`python -m server.prefect_server`: `prefect server start`, whose event loop waits for no SQLite cursor (docs/decisions/sqlite-cursors.md)."""

from __future__ import annotations

import runpy
import sys

from aiosqlite import core, cursor


class ThreadClosedCursor(cursor.Cursor):
    """A cursor that the thread of its connection closes, also where the coroutine that used it was cancelled.

    Python's own cursor would be reset where the garbage collector finds it, which is in the event loop. SQLite makes that wait for the connection's
    thread, which may wait for the lock of the database, whose holder waits for the event loop.
    """

    _is_closed = False

    async def close(self) -> None:
        """Close the cursor."""
        await super().close()
        self._is_closed = True

    def __del__(self) -> None:
        """Leave the rest to the thread, which has the only reference then."""
        if not self._is_closed:
            self._conn._tx.put_nowait((None, self._cursor.close))


def close_cursors_in_their_threads() -> None:
    """From now on, every connection has such cursors."""
    core.Cursor = ThreadClosedCursor  # type: ignore[misc]


def main() -> None:
    """Run the server until it ends."""
    close_cursors_in_their_threads()
    sys.argv = ["prefect", "server", "start", *sys.argv[1:]]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
