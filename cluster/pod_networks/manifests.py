"""A pod network from files of the owner. kube/pod_networks/manifests.py reads them on the machine of the worker."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.pod_networks.protocol import PodNetworkPlugin, PodNetworkRule
from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.fixes import replace_by
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.spec import ClusterSpec


def manifests_come_from_files(spec: ClusterSpec) -> Iterator[Violation]:
    """The kind `manifests` has no files."""
    if not spec.cni.files:
        yield Violation(
            "cni.files",
            "the list of files is empty",
            "write `files: [my-network.yaml]`, or `kind: none` to apply the files yourself",
            replace_by("none", "cni.kind"),
        )


class Manifests(PodNetworkPlugin):
    """Files of the owner. sixstack knows only the settings in the cluster file."""

    kind = CniKind.MANIFESTS
    title = "manifests"
    settings = frozenset({"network_policy", "files"})
    from_files = True
    rules = (PodNetworkRule("cni-files-missing", manifests_come_from_files),)
