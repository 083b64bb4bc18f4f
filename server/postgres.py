"""Whether a PostgreSQL database can be used, asked before any setting is written."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote, urlsplit

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from cluster.vocabulary.redaction import redact

_LIMIT = 15.0  # seconds


def fault_of_database(url: str) -> str | None:
    """Why it cannot be used: nobody answers there, or refuses user or password. None when it can. The text has no password."""
    try:
        asyncio.run(_ask(url))
    except Exception as error:  # of the driver, of SQLAlchemy, of the network
        password = urlsplit(url).password or ""
        reason = redact(str(error) or type(error).__name__, [word for word in (password, unquote(password)) if word])
        return f"the PostgreSQL database at {urlsplit(url).hostname or 'this machine'} cannot be used: {reason}"
    return None


async def _ask(url: str) -> None:
    engine = create_async_engine(url)
    try:
        async with asyncio.timeout(_LIMIT), engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    finally:
        await engine.dispose()
