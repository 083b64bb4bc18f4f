"""Whose recorded host keys the sessions of a run use."""

from __future__ import annotations

import pytest

from hosts.session_pool import pool
from runs.context import RunContext
from runs.sessions import close_sessions, open_sessions


@pytest.mark.parametrize(("file_of", "cluster"), [(None, "owner"), ("ours", "ours")], ids=["own file", "file of another cluster"])
def test_keys_are_those_of_the_cluster_whose_file_has_the_hosts(file_of: str | None, cluster: str) -> None:
    """free-hosts works on the cluster that owns the hosts, with the SSH endpoints of another cluster's file."""
    run = RunContext(cluster="owner", id=f"sessions-{file_of}", audit="", bundle="")
    open_sessions(run, file_of)
    recorded = pool(run.id)._recorded
    close_sessions(run)
    assert recorded is not None
    assert recorded.cluster == cluster
