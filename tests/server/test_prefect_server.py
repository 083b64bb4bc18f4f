"""The server's cursors of SQLite: the garbage collector of the event loop never waits for the thread of a connection."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import random
import socket
import sqlite3
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiosqlite
import httpx
import pytest
from aiosqlite import core, cursor

from server.prefect_server import ThreadClosedCursor
from tests.conftest import Workplace, database_of

BUSY_SECONDS = 3.0


async def seconds_of_a_collection(file: Path) -> float:
    """How long the garbage collector takes that finds an unfinished query, while the thread of its connection waits for the lock of the database."""
    async with aiosqlite.connect(file, timeout=BUSY_SECONDS, isolation_level=None) as connection:
        # a query with more rows, of no table, whose cursor is in a cycle: as in the traceback of a task that was cancelled
        cycle: list[object] = [await connection.execute("SELECT 1 UNION ALL SELECT 2")]
        cycle.append(cycle)
        del cycle
        await (await connection.execute("SELECT 3")).close()  # until its next result, the thread has the cursor too
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = asyncio.ensure_future(connection.execute("INSERT INTO numbers VALUES (3)"))
            await asyncio.sleep(0.5)
            assert not waiting.done(), "the thread does not wait"
            start = time.monotonic()
            gc.collect()
            seconds = time.monotonic() - start
            other.execute("ROLLBACK")
        with contextlib.suppress(sqlite3.OperationalError):  # where it waited for too long
            await (await waiting).close()
        return seconds


@pytest.mark.parametrize("kind", [cursor.Cursor, ThreadClosedCursor])
def test_an_unfinished_query_does_not_stop_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[cursor.Cursor]
) -> None:
    """The cursors of aiosqlite stop it. When a new version does not, delete server/prefect_server.py."""
    file = tmp_path / "database"
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.executescript("PRAGMA journal_mode = WAL; CREATE TABLE numbers (value); INSERT INTO numbers VALUES (1), (2)")
    monkeypatch.setattr(core, "Cursor", kind)
    assert (asyncio.run(seconds_of_a_collection(file)) > BUSY_SECONDS / 2) is (kind is cursor.Cursor)


def test_what_a_query_has_written_and_read_is_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cursors are closed by their users, or go with them."""

    async def numbers() -> list[int]:
        async with aiosqlite.connect(tmp_path / "database") as connection:
            await connection.execute("CREATE TABLE numbers (value)")
            await connection.executemany("INSERT INTO numbers VALUES (?)", [(number,) for number in range(100)])
            for _ in range(100):
                await connection.execute("SELECT * FROM numbers")
            await connection.commit()
            async with connection.execute("SELECT value FROM numbers") as found:
                return [value for (value,) in await found.fetchall()]

    monkeypatch.setattr(core, "Cursor", ThreadClosedCursor)
    assert asyncio.run(numbers()) == list(range(100))


@contextlib.contextmanager
def clients_that_disconnect(api: str, headers: dict[str, str]) -> Iterator[None]:
    """Clients that close their connections some milliseconds after their requests, in three threads."""
    end, address = threading.Event(), urlsplit(api)
    assert address.hostname is not None
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "Host": "x", "Content-Type": "application/json"}.items())

    def ask(hostname: str) -> None:
        while not end.wait(0.02):
            path, body = random.choice([("flow_runs/filter", {"limit": 50}), ("events/filter", {"limit": 50}), ("deployments/filter", {})])
            text = json.dumps(body)
            with contextlib.suppress(OSError), socket.create_connection((hostname, address.port)) as connection:
                connection.sendall(f"POST {address.path}/{path} HTTP/1.1\r\n{lines}Content-Length: {len(text)}\r\n\r\n{text}".encode())
                time.sleep(random.random() * 0.03)

    threads = [threading.Thread(target=ask, args=(address.hostname,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        end.set()
        for thread in threads:
            thread.join()


@pytest.mark.long
@pytest.mark.server
def test_clients_that_disconnect_during_a_request_do_not_stop_the_server(prefect_server: Workplace) -> None:
    """Two minutes of them, while others write and the database is locked now and then: the server answers within seconds, not after a minute."""
    prefect = prefect_server.prefect
    token = prefect.request("GET", "/csrf-token?client=many").json()["token"]
    password = b64encode(":".join(prefect.settings.credential).encode()).decode()
    headers = {"Prefect-Csrf-Client": "many", "Prefect-Csrf-Token": token, "Authorization": f"Basic {password}"}
    end, longest = time.monotonic() + 120, 0.0
    with clients_that_disconnect(prefect.api, headers), httpx.Client(base_url=prefect.api, headers=headers, timeout=90) as client:
        while time.monotonic() < end:
            with contextlib.closing(sqlite3.connect(database_of(prefect), isolation_level=None, timeout=30)) as database:
                database.execute("BEGIN IMMEDIATE")
                time.sleep(random.random() * 0.3)
                database.execute("ROLLBACK")
            start = time.monotonic()
            client.post("/artifacts/", json={"key": "written", "type": "markdown", "data": "x"}).raise_for_status()
            longest = max(longest, time.monotonic() - start)
    assert longest < 20
