"""The pod network plug-ins by kind. docs/how-to/add-a-pod-network.md lists what else a new one needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.pod_networks.calico import Calico
from cluster.pod_networks.flannel import Flannel
from cluster.pod_networks.manifests import Manifests
from cluster.pod_networks.none import NoPodNetwork
from cluster.pod_networks.protocol import PodNetworkPlugin
from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.spec import ClusterSpec

_PLUGINS: tuple[PodNetworkPlugin, ...] = (
    Flannel(),
    Calico(),
    Manifests(),
    NoPodNetwork(),
)

POD_NETWORKS: Mapping[CniKind, PodNetworkPlugin] = {plugin.kind: plugin for plugin in _PLUGINS}


def pod_network(spec: ClusterSpec) -> PodNetworkPlugin:
    """The plug-in of the cluster file."""
    return POD_NETWORKS[spec.cni.kind]


def leftover_folders() -> tuple[str, ...]:
    """Folders of all plug-ins. A host can have folders of an earlier cluster."""
    return tuple(sorted(folder for plugin in _PLUGINS for folder in plugin.leftovers.folders))


def leftover_values() -> dict[str, Any]:
    """Template values of host/reset.sh.j2 and host/remove-pod-network.sh.j2: the leftovers of all plug-ins."""
    every = [plugin.leftovers for plugin in _PLUGINS]
    return {
        "processes": [name for left in every for name in left.processes],
        "nft_tables": [table for left in every for table in left.nft_tables],
        "chain_prefixes": [left.chain_prefix for left in every if left.chain_prefix],
        "rule_comments": [left.rule_comment for left in every if left.rule_comment],
        "ipsets": [left.ipsets for left in every if left.ipsets],
        "link_globs": [link for left in every for link in left.link_globs],
        "node_links": [link for left in every for link in left.node_links],
        "node_paths": [path for left in every for path in left.node_paths],
        "cni_programs": [name for left in every for name in left.cni_programs],
    }
