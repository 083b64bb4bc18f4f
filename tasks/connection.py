"""Reaching hosts and the cluster's API from inside a task: sessions live in the registry of the run, never in a parameter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from blocks.loading import load
from blocks.ssh_credential import SSHCredential
from cluster.credentials import Credential
from cluster.errors import ApiUnavailable
from cluster.spec import Host
from hosts.lock import hold_host
from hosts.registry import close_registry, open_registry, registry
from hosts.session import Session
from kube.client import KubeApi, connect
from tasks.attempt import Where

ADMIN_CONF = "/etc/kubernetes/admin.conf"


def credential(name: str) -> Credential:
    """The plain credential of an SSH credential block."""
    return load(SSHCredential, name).credential()


def open_sessions(where: Where) -> None:
    """Open the registry of a run; sessions are made on first use."""
    open_registry(where.run)


def close_sessions(where: Where) -> None:
    """Close every session of a run: cancelled tasks that block on one end with it."""
    close_registry(where.run)


def session(host: Host, where: Where) -> Session:
    """The run's session to a host, opened on first use."""
    return registry(where.run).session(host, credential)


def locked_session(host: Host, where: Where) -> Session:
    """A session that holds the host's lock, so that no other run changes the host; HostBusy names who holds it."""
    opened = session(host, where)
    hold_host(opened, where.cluster, where.run)
    return opened


@contextmanager
def cluster_api(control_plane: Host, where: Where) -> Iterator[KubeApi]:
    """The cluster's API through the SSH connection of a control plane; ApiUnavailable while there is no admin.conf."""
    opened = session(control_plane, where)
    read = opened.run(f"cat {ADMIN_CONF}", limit=timedelta(seconds=20))
    if read.exit_code:
        raise ApiUnavailable(f"{control_plane.name}: no {ADMIN_CONF} yet: {read.stderr.strip()}")
    # each connection asks the run for its session: one that was lost is opened again, and a run that has closed its sessions waits for nothing
    with connect(read.stdout, lambda address, port: session(control_plane, where).dial(address, port)) as api:
        yield api
