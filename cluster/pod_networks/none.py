"""No pod network from sixstack. The owner installs a pod network; nodes stay NotReady until then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cluster.pod_networks.protocol import PodNetworkPlugin
from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.families import Network
from cluster.vocabulary.migration import DUAL_STACK, Action
from cluster.vocabulary.spec import ClusterSpec


class NoPodNetwork(PodNetworkPlugin):
    """The owner installs the pod network."""

    kind = CniKind.NONE
    title = "none"
    installed = False
    settings = frozenset({"network_policy"})

    def migration(self, now: ClusterSpec, gone: Sequence[Network], *, ranges_changed: bool) -> Iterator[Action]:  # noqa: ARG002
        """The owner changes the families and ranges of the pod network."""
        if ranges_changed:
            yield Action(
                f"change the families and ranges of your pod network to {', '.join(map(str, now.pod_ranges))}, following its documentation",
                ("the objects of the pod network",),
                "the pods of the pod network on every node",
                "the file has `cni: {kind: none}`, so you manage the pod network",
                DUAL_STACK,
            )
