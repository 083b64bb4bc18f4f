"""A saved cluster's API from the command line: through the kubeconfig block and the SSH connection of its control plane.

The blocks are read without Prefect (blocks/prefect_api.py), whose import takes longer than everything else that these commands do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.first_uses import print_first_uses
from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.host_keys import RecordedHostKey
from cluster.vocabulary.spec import SSH

if TYPE_CHECKING:
    from blocks.prefect_api import PrefectApi
    from hosts.session import Session
    from kube.client import KubeApi


class NoKubeconfig(EnvironmentFault):
    """No kubeconfig of the cluster is saved."""


@dataclass(frozen=True, slots=True, repr=False)
class SavedAccess:
    """The fields of a Saved kubeconfig block (blocks/saved_kubeconfig.py)."""

    cluster: str
    kubeconfig: str
    api: str
    control_plane: str
    ssh: SSH | None


def saved_kubeconfig(cluster: str) -> SavedAccess:
    """The kubeconfig of that cluster; EnvironmentFault when there is none, or no server."""
    from blocks.prefect_api import prefect_api

    with prefect_api() as server:
        fields = server.block("saved-kubeconfig", cluster)
    if fields is None:
        raise NoKubeconfig(
            f"there is no block `{cluster}` of type Saved kubeconfig: create-cluster saves it. For a cluster of another tool, save it with "
            f"`sixstack kubeconfig {cluster} --save FILE`"
        )
    ssh = fields.get("ssh")
    return SavedAccess(
        cluster=fields["cluster"],
        kubeconfig=fields["kubeconfig"],
        api=fields.get("api") or "",
        control_plane=fields.get("control_plane") or "",
        ssh=SSH.model_validate(ssh) if ssh else None,
    )


@contextmanager
def control_plane_session(access: SavedAccess) -> Iterator[Session]:
    """An SSH session to the cluster's control plane, closed afterwards; the block must have an SSH endpoint."""
    from blocks.prefect_api import prefect_api
    from cluster.vocabulary.spec import Host, Role
    from hosts.session_pool import SessionPool

    if access.ssh is None:
        raise EnvironmentFault(f"the saved kubeconfig of {access.cluster} has no SSH endpoint")
    with prefect_api() as server:
        pool = SessionPool(_KeysOfCluster(access.cluster, server))
        try:
            host = Host(name=access.control_plane, role=Role.CONTROL_PLANE, ssh=access.ssh)
            opened = pool.session(host, lambda name: _credential(server, name))
            print_first_uses(opened)
            yield opened
        finally:
            pool.close()


@contextmanager
def saved_api(access: SavedAccess) -> Iterator[KubeApi]:
    """The cluster's API: through the control plane's SSH connection if the block has one, else at the kubeconfig's URL."""
    from kube.client import connect, connect_directly

    if access.ssh is None:
        with connect_directly(access.kubeconfig) as api:
            yield api
    else:
        with control_plane_session(access) as session, connect(access.kubeconfig, session.dial) as api:
            yield api


def _credential(server: PrefectApi, name: str) -> Credential:
    fields = server.block("ssh-credential", name)
    if fields is None:
        raise EnvironmentFault(f"there is no block `{name}` of type SSH credential. Create it in the Prefect UI (Blocks)")
    return Credential.of_fields(fields)


class _KeysOfCluster:
    """The recorded host keys of a cluster. Only a first key, which must be recorded, needs Prefect."""

    def __init__(self, cluster: str, server: PrefectApi) -> None:
        self._cluster, self._server = cluster, server

    @property
    def cluster(self) -> str:
        return self._cluster

    def find(self, endpoint: str) -> RecordedHostKey | None:
        fields = self._server.block("recorded-host-keys", self._cluster) or {}
        keys = (RecordedHostKey.model_validate(key) for key in fields.get("keys", ()))
        return next((key for key in keys if key.endpoint == endpoint), None)

    def record(self, first: RecordedHostKey) -> RecordedHostKey:
        from runs.recorded_keys import ClusterKeys

        return ClusterKeys(self._cluster).record(first)
