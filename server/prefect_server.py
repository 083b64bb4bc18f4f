"""`python -m server.prefect_server`: `prefect server start` with an event loop that never waits for SQLite (docs/decisions/sqlite-cursors.md)."""

from __future__ import annotations

import runpy
import sys

from aiosqlite import core, cursor


class ThreadClosedCursor(cursor.Cursor):
    """A cursor that the thread of its connection closes, also when the coroutine that used the cursor was cancelled.

    The garbage collector would reset a cursor of aiosqlite in the thread of the event loop. SQLite makes the reset wait for the connection. The
    connection may wait for the lock of the database, and the holder of the lock waits for the event loop.
    """

    _is_closed = False

    async def close(self) -> None:
        """Close the cursor."""
        await super().close()
        self._is_closed = True

    def __del__(self) -> None:
        """Hand Python's cursor to the thread, which then has the only reference to it."""
        if not self._is_closed:
            self._conn._tx.put_nowait((None, self._cursor.close))


def close_cursors_in_their_threads() -> None:
    """Give every new cursor of aiosqlite this class."""
    core.Cursor = ThreadClosedCursor  # type: ignore[misc]


def main() -> None:
    """Run the server until it ends."""
    close_cursors_in_their_threads()
    sys.argv = ["prefect", "server", "start", *sys.argv[1:]]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
