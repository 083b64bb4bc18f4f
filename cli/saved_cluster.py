"""A saved cluster's API from the command line: the kubeconfig block, and its control plane's SSH connection as the way in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks.saved_kubeconfig import SavedKubeconfig
    from hosts.session import Session


def saved(cluster: str) -> SavedKubeconfig:
    """The block of that cluster; EnvironmentFault when there is none, or no server."""
    from blocks.loading import load
    from blocks.saved_kubeconfig import SavedKubeconfig, block_name
    from cli.server import need_server

    need_server()
    return load(SavedKubeconfig, block_name(cluster))


@contextmanager
def control_plane_session(block: SavedKubeconfig) -> Iterator[Session]:
    """An SSH session to the cluster's control plane, closed afterwards."""
    from cluster.spec import Host, Role
    from hosts.registry import close_registry, open_registry
    from tasks.connection import credential

    key = f"command-line-{block.cluster}"
    try:
        yield open_registry(key).session(Host(name=block.control_plane, role=Role.CONTROL_PLANE, ssh=block.ssh), credential)
    finally:
        close_registry(key)
