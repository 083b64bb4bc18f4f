"""Reaching the API of a cluster whose kubeconfig is saved: through its control plane's SSH connection, or directly where none is known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from blocks.loading import load
from blocks.saved_kubeconfig import SavedKubeconfig
from cluster.vocabulary.spec import Host, Role
from kube.client import KubeApi, connect, connect_directly
from runs.context import RunContext
from runs.sessions import session


@contextmanager
def saved_api(block: str, run: RunContext) -> Iterator[KubeApi]:
    """The API of the cluster that a Saved kubeconfig block is of."""
    saved = load(SavedKubeconfig, block)
    text = saved.kubeconfig.get_secret_value()
    if saved.ssh is None:
        with connect_directly(text) as api:
            yield api
        return
    control_plane = Host(name=saved.control_plane, role=Role.CONTROL_PLANE, ssh=saved.ssh)
    with connect(text, lambda address, port: session(control_plane, run).dial(address, port)) as api:
        yield api
