"""A pod network out of the owner's own files, which kube/pod_networks/manifests.py reads where the flow runs."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.pod_networks.protocol import PodNetworkPlugin, PodNetworkRule
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.spec import ClusterSpec, CniKind


def manifests_come_from_files(spec: ClusterSpec) -> Iterator[Violation]:
    """The kind `manifests` names no file."""
    if not spec.cni.files:
        yield Violation(
            "cni.files", "the list of files is empty", "write `files: [my-network.yaml]`, or `kind: none` to apply the files yourself"
        )


class Manifests(PodNetworkPlugin):
    """The owner's files: nothing is known of the network but what the file says."""

    kind = CniKind.MANIFESTS
    title = "manifests"
    settings = frozenset({"network_policy", "files"})
    from_files = True
    rules = (PodNetworkRule("cni-files-missing", manifests_come_from_files),)
