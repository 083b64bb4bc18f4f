"""SSH sessions of a run: they are in the run's pool, never in a parameter of a task."""

from __future__ import annotations

from blocks.loading import load
from blocks.ssh_credential import SSHCredential
from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.spec import Host
from hosts.lock import FencedSession, hold_host
from hosts.session import Session
from hosts.session_pool import close_all_pools, close_pool, open_pool, pool
from runs.context import RunContext
from runs.recorded_keys import ClusterKeys


def credential(name: str) -> Credential:
    """The plain credential of an SSH credential block."""
    return load(SSHCredential, name).credential()


def open_sessions(run: RunContext, file_of: str | None = None) -> None:
    """Open the session pool of a run; sessions are made on first use.

    First host keys are recorded for the run's cluster, or for `file_of`: the cluster whose file has the hosts.
    """
    open_pool(run.id, ClusterKeys(file_of or run.cluster))


def close_sessions(run: RunContext) -> None:
    """Close every session of a run: tasks that wait for a session then end."""
    close_pool(run.id)


def close_all_sessions() -> None:
    """Close the sessions of this process's flow runs, at the end of a cancelled run that had started others."""
    close_all_pools()


def session(host: Host, run: RunContext) -> Session:
    """The run's session to a host, opened on first use."""
    return pool(run.id).session(host, credential)


def locked_session(host: Host, run: RunContext) -> FencedSession:
    """A session that holds the host's lock, so that no other run changes the host; HostBusy names the holder."""
    opened = session(host, run)
    return FencedSession(opened, hold_host(opened, run.cluster, run.id))
