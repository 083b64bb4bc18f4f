"""Clients of the cluster's API server, for tasks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from blocks.loading import load
from blocks.saved_kubeconfig import SavedKubeconfig
from cluster.vocabulary.errors import ApiUnavailable, Retryable
from cluster.vocabulary.spec import Host, Role
from cluster.vocabulary.topology import topology
from kube.client import KubeApi, connect, connect_directly
from kube.kubeconfig import read_kubeconfig
from runs.context import ClusterContext, RunContext, SavedClusterContext, SpecContext
from runs.sessions import session

ADMIN_CONF = "/etc/kubernetes/admin.conf"

_apis: dict[str, KubeApi] = {}  # by run
_guard = threading.Lock()


def cluster_api(run: SpecContext) -> KubeApi:
    """The API through the SSH connection of a control plane that answers; shared by the run's tasks.

    ApiUnavailable while no control plane has an admin.conf. Other errors are those of the last control plane that was tried.
    """
    with _guard:
        api = _apis.get(run.id)
    return api or _connect_any(run)


def close_api(run: RunContext) -> None:
    """Close the run's connections to the API server, at the end of the run or for a new control plane with other keys."""
    with _guard:
        api = _apis.pop(run.id, None)
    if api is not None:
        api.close()


@contextmanager
def run_api(run: ClusterContext | SavedClusterContext) -> Iterator[KubeApi]:
    """The API of the run's cluster."""
    if isinstance(run, ClusterContext):
        yield cluster_api(run)
        return
    with saved_api(run) as api:
        yield api


@contextmanager
def saved_api(run: SavedClusterContext) -> Iterator[KubeApi]:
    """The API of the cluster of a Saved kubeconfig block: through the control plane's SSH connection, or directly if the block has none."""
    saved = load(SavedKubeconfig, run.kubeconfig)
    text = saved.kubeconfig.get_secret_value()
    if saved.ssh is None:
        with connect_directly(text) as api:
            yield api
        return
    control_plane = Host(name=saved.control_plane, role=Role.CONTROL_PLANE, ssh=saved.ssh)
    with connect(text, lambda address, port: session(control_plane, run).dial(address, port)) as api:
        yield api


def read_admin_conf(host: Host, run: RunContext) -> str:
    """The admin kubeconfig of a control plane; ApiUnavailable while there is none."""
    read = session(host, run).run(f"cat {ADMIN_CONF}", limit=timedelta(seconds=20))
    if read.exit_code:
        raise ApiUnavailable(f"{host.name}: {ADMIN_CONF} cannot be read: {read.stderr.strip()}")
    return read.stdout


def _connect_any(run: SpecContext) -> KubeApi:
    *others, last = topology(run.spec).api_targets
    for host in others:
        try:
            return _connect_through(host, run)
        except Retryable:
            continue  # the next control plane may answer
    return _connect_through(last, run)


def _connect_through(host: Host, run: SpecContext) -> KubeApi:
    config = read_kubeconfig(read_admin_conf(host, run))
    # each connection gets the session from the run: a lost session is opened again, and a run with closed sessions does not wait
    api = KubeApi(config, lambda address, port: session(host, run).dial(address, port))
    with _guard:
        return _apis.setdefault(run.id, api)
