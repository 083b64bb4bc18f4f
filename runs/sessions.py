"""Reaching hosts and the cluster's API from inside a task: sessions live in the pool of the run, never in a parameter."""

from __future__ import annotations

import threading
from datetime import timedelta

from blocks.loading import load
from blocks.ssh_credential import SSHCredential
from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.errors import ApiUnavailable
from cluster.vocabulary.spec import Host
from hosts.lock import hold_host
from hosts.session import Session
from hosts.session_pool import close_pool, open_pool, pool
from kube.client import KubeApi
from kube.kubeconfig import read_kubeconfig
from runs.context import RunContext

ADMIN_CONF = "/etc/kubernetes/admin.conf"


def credential(name: str) -> Credential:
    """The plain credential of an SSH credential block."""
    return load(SSHCredential, name).credential()


def open_sessions(run: RunContext) -> None:
    """Open the session pool of a run; sessions are made on first use."""
    open_pool(run.id)


def close_sessions(run: RunContext) -> None:
    """Close every session of a run: cancelled tasks that block on one end with it."""
    close_api(run)
    close_pool(run.id)


def session(host: Host, run: RunContext) -> Session:
    """The run's session to a host, opened on first use."""
    return pool(run.id).session(host, credential)


def locked_session(host: Host, run: RunContext) -> Session:
    """A session that holds the host's lock, so that no other run changes the host; HostBusy names who holds it."""
    opened = session(host, run)
    hold_host(opened, run.cluster, run.id)
    return opened


_apis: dict[str, KubeApi] = {}  # by run
_guard = threading.Lock()


def cluster_api(control_plane: Host, run: RunContext) -> KubeApi:
    """The cluster's API through the SSH connection of a control plane; the run's tasks share it. ApiUnavailable while there is no admin.conf."""
    with _guard:
        api = _apis.get(run.id)
    return api or _connected(control_plane, run)


def close_api(run: RunContext) -> None:
    """Close the run's connections to the API: the run is over, or a new control plane has other keys."""
    with _guard:
        api = _apis.pop(run.id, None)
    if api is not None:
        api.close()


def _connected(control_plane: Host, run: RunContext) -> KubeApi:
    read = session(control_plane, run).run(f"cat {ADMIN_CONF}", limit=timedelta(seconds=20))
    if read.exit_code:
        raise ApiUnavailable(f"{control_plane.name}: no {ADMIN_CONF} yet: {read.stderr.strip()}")
    # each connection asks the run for its session: one that was lost is opened again, and a run that has closed its sessions waits for nothing
    api = KubeApi(read_kubeconfig(read.stdout), lambda address, port: session(control_plane, run).dial(address, port))
    with _guard:
        return _apis.setdefault(run.id, api)
