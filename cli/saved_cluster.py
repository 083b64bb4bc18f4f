"""A saved cluster's API from the command line: through the kubeconfig block and the SSH connection of its control plane."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.first_uses import print_first_uses

if TYPE_CHECKING:
    from blocks.saved_kubeconfig import SavedKubeconfig
    from hosts.session import Session
    from kube.client import KubeApi


def saved_kubeconfig(cluster: str) -> SavedKubeconfig:
    """The block of that cluster; EnvironmentFault when there is none, or no server."""
    from blocks.loading import load
    from blocks.saved_kubeconfig import SavedKubeconfig, block_name
    from cli.server import require_server

    require_server()
    return load(SavedKubeconfig, block_name(cluster))


@contextmanager
def control_plane_session(block: SavedKubeconfig) -> Iterator[Session]:
    """An SSH session to the cluster's control plane, closed afterwards; the block must have an SSH endpoint."""
    from cluster.vocabulary.errors import EnvironmentFault
    from cluster.vocabulary.spec import Host, Role
    from hosts.session_pool import close_pool, open_pool
    from runs.recorded_keys import ClusterKeys
    from runs.sessions import credential

    if block.ssh is None:
        raise EnvironmentFault(f"the saved kubeconfig of {block.cluster} has no SSH endpoint")
    key = f"command-line-{block.cluster}"
    try:
        host = Host(name=block.control_plane, role=Role.CONTROL_PLANE, ssh=block.ssh)
        opened = open_pool(key, ClusterKeys(block.cluster)).session(host, credential)
        print_first_uses(opened)
        yield opened
    finally:
        close_pool(key)


@contextmanager
def saved_api(block: SavedKubeconfig) -> Iterator[KubeApi]:
    """The cluster's API: through the control plane's SSH connection if the block has one, else at the kubeconfig's URL."""
    from kube.client import connect, connect_directly

    text = block.kubeconfig.get_secret_value()
    if block.ssh is None:
        with connect_directly(text) as api:
            yield api
    else:
        with control_plane_session(block) as session, connect(text, session.dial) as api:
            yield api
