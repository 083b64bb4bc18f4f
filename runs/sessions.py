"""Reaching hosts and the cluster's API from inside a task: sessions live in the registry of the run, never in a parameter."""

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
from hosts.session_pool import close_registry, open_registry, registry
from kube.client import KubeApi
from kube.kubeconfig import read_kubeconfig
from runs.attempts import Where

ADMIN_CONF = "/etc/kubernetes/admin.conf"


def credential(name: str) -> Credential:
    """The plain credential of an SSH credential block."""
    return load(SSHCredential, name).credential()


def open_sessions(where: Where) -> None:
    """Open the registry of a run; sessions are made on first use."""
    open_registry(where.run)


def close_sessions(where: Where) -> None:
    """Close every session of a run: cancelled tasks that block on one end with it."""
    forget_api(where)
    close_registry(where.run)


def session(host: Host, where: Where) -> Session:
    """The run's session to a host, opened on first use."""
    return registry(where.run).session(host, credential)


def locked_session(host: Host, where: Where) -> Session:
    """A session that holds the host's lock, so that no other run changes the host; HostBusy names who holds it."""
    opened = session(host, where)
    hold_host(opened, where.cluster, where.run)
    return opened


_apis: dict[str, KubeApi] = {}  # by run
_guard = threading.Lock()


def cluster_api(control_plane: Host, where: Where) -> KubeApi:
    """The cluster's API through the SSH connection of a control plane; the run's tasks share it. ApiUnavailable while there is no admin.conf."""
    with _guard:
        api = _apis.get(where.run)
    return api or _connected(control_plane, where)


def forget_api(where: Where) -> None:
    """Close the run's connections to the API: the run is over, or a new control plane has other keys."""
    with _guard:
        api = _apis.pop(where.run, None)
    if api is not None:
        api.close()


def _connected(control_plane: Host, where: Where) -> KubeApi:
    read = session(control_plane, where).run(f"cat {ADMIN_CONF}", limit=timedelta(seconds=20))
    if read.exit_code:
        raise ApiUnavailable(f"{control_plane.name}: no {ADMIN_CONF} yet: {read.stderr.strip()}")
    # each connection asks the run for its session: one that was lost is opened again, and a run that has closed its sessions waits for nothing
    api = KubeApi(read_kubeconfig(read.stdout), lambda address, port: session(control_plane, where).dial(address, port))
    with _guard:
        return _apis.setdefault(where.run, api)
