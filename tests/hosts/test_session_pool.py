"""The sessions of a flow run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from cluster.vocabulary.errors import Bug
from hosts.session_pool import SessionPool, close_pool, open_pool, pool
from tests.hosts.sshd import Sshd


def test_threads_that_ask_at_once_share_one_session(sshd: Sshd) -> None:
    """One connection a host and process."""
    sessions = SessionPool()
    with ThreadPoolExecutor(10) as pool:
        found = {id(session) for session in pool.map(lambda _: sessions.session(sshd.host(), sshd.credential), range(10))}
    assert len(found) == 1
    sessions.close()


def test_a_dead_session_is_opened_again_and_a_live_one_is_not(own_sshd: Callable[..., Sshd]) -> None:
    """Reconnecting costs 20 times a round trip."""
    server, sessions = own_sshd(), SessionPool()
    first = sessions.session(server.host(), server.credential)
    assert sessions.session(server.host(), server.credential) is first
    server.drop_connections()
    first._connection.transport.join(5)
    second = sessions.session(server.host(), server.credential)
    assert second is not first
    assert second.alive
    sessions.close()


def test_a_closed_pool_closes_its_sessions_and_opens_none(sshd: Sshd) -> None:
    """A task that comes late must not leave a connection behind."""
    made = open_pool("run-1")
    assert pool("run-1") is made
    session = made.session(sshd.host(), sshd.credential)
    close_pool("run-1")
    close_pool("run-1")
    assert not session.alive
    with pytest.raises(Bug):
        made.session(sshd.host(), sshd.credential)
    with pytest.raises(Bug):
        pool("run-1")
