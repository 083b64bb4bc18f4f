"""What must be true before a cluster is upgraded. All problems are found before any change."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cluster.facts.cluster_state import ClusterState
from cluster.facts.host_facts import HostFacts
from cluster.facts.upgrade_state import UpgradeState
from cluster.plan.running_gates import refused_gates
from cluster.plan.upgrade import KUBERNETES_COMPONENTS, image_tag
from cluster.vocabulary.parameters import MOST_WORKERS, number_problems, seconds_problems, switch_problems
from cluster.vocabulary.problems import Problem, Severity
from cluster.vocabulary.releases import minor_text
from cluster.vocabulary.spec import ClusterSpec

# problems of an upgrade; docs/reference/problems.md lists them
NOT_UPGRADED = {
    "upgrade-without-cluster": "No API server of the cluster answers, or a host of the file is not a member of the cluster.",
    "upgrade-is-a-downgrade": "The file has an older version than the control plane or a kubelet. kubeadm and etcd have no way back.",
    "upgrade-skips-a-minor": "A component of the control plane would skip a minor version. An interrupted upgrade has to be finished first.",
    "kubelet-too-old": "A kubelet would be more than three minor versions older than the API server.",
    "kubelet-newer-than-api-server": "A kubelet is newer than the API server.",
    "node-not-ready": "A node is not Ready.",
    "etcd-not-healthy": "A member of etcd is not healthy, its data is nearly as large as its quota, or the API server does not reach etcd.",
    "deprecated-api-in-use": "Clients use an API that the new version no longer has.",
    "running-feature-gate-refused": "The cluster has a feature gate that the new version has removed, or has only with another value.",
    "too-little-disk-to-upgrade": "/var/lib has too little free space for the new files and images.",
}

KUBELET_SKEW = 3  # minors: https://kubernetes.io/releases/version-skew-policy/#kubelet
UNPACKED = 3  # times the size of the stored files that an upgrade needs: containerd keeps the blobs and the unpacked files
ETCD_QUOTA = 2 * 2**30  # bytes: https://etcd.io/docs/v3.6/dev-guide/limit/
_FULL = 0.95  # of the quota: at its end etcd accepts no writes, and kubeadm could not even record its version
_MIB = 2**20
_VERSION = re.compile(r"^v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})")

Version = tuple[int, int, int]


def parsed_version(text: str) -> Version | None:
    """Major, minor and patch number of v1.36.3; None for any other text."""
    found = _VERSION.match(text)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def upgrade_problems(
    spec: ClusterSpec, facts: Mapping[str, HostFacts], state: ClusterState, upgrade: UpgradeState, missing: Mapping[str, int]
) -> tuple[Problem, ...]:
    """Every reason why the running cluster cannot get the version of the file. `missing`: bytes of stored files that a host gets, by host."""
    return (
        *_members(spec, facts, state),
        *_control_plane_skew(spec, facts, state, upgrade),
        *_kubelet_skew(spec, state, upgrade),
        *_ready(state),
        *(_problem("etcd-not-healthy", "etcd", fault, "Repair etcd first: an upgrade restarts it.") for fault in upgrade.etcd),
        *_etcd_space(state, upgrade),
        *_deprecated(spec, upgrade),
        *_gates(spec, state),
        *_disk(spec, facts, missing),
        *upgrade.losses,
    )


def setting_problems(max_unavailable: object, drain_seconds: object, **switches: object) -> tuple[Problem, ...]:
    """The parameters of the flow, which may have any type."""
    return (
        *number_problems("workers", 1, MOST_WORKERS, max_unavailable=max_unavailable),
        *seconds_problems(1, drain_seconds=drain_seconds),
        *switch_problems(**switches),
    )


def no_cluster(spec: ClusterSpec) -> Problem:
    """No API server answers, so nothing is known of the cluster."""
    names = ", ".join(host.name for host in spec.control_planes)
    hint = f"Start the control plane, or create the cluster first: sixstack create {spec.name}"
    return _problem("upgrade-without-cluster", "hosts", f"no API server of cluster {spec.name} answers on {names}", hint)


def _members(spec: ClusterSpec, facts: Mapping[str, HostFacts], state: ClusterState) -> Iterator[Problem]:
    for host in spec.hosts:
        found = facts.get(host.name)
        if found is not None and (found.owner != spec.name or state.node(host.name) is None):
            hint = "Remove the host from the file for the upgrade. `sixstack create` adds it afterwards, with the new version."
            yield _problem("upgrade-without-cluster", f"hosts/{host.name}", f"{host.name} is not a node of cluster {spec.name}", hint)


def _control_plane_skew(spec: ClusterSpec, facts: Mapping[str, HostFacts], state: ClusterState, upgrade: UpgradeState) -> Iterator[Problem]:
    """kubeadm has one version for the cluster in its ConfigMap. After an interrupted upgrade, components have different versions."""
    path, wanted = "kubernetes_version", parsed_version(spec.version)
    texts = [str(state.kubeadm.get("kubernetesVersion", "")), upgrade.api_version, *_component_versions(spec, facts)]
    versions = {found: text for text in texts if (found := parsed_version(text)) is not None}
    if wanted is None or not versions:
        return
    oldest, newest = min(versions), max(versions)
    if wanted < newest:
        yield _problem(
            "upgrade-is-a-downgrade",
            path,
            f"the cluster runs {versions[newest]}, the file has {spec.version}",
            f'Write kubernetes_version: "{versions[newest].removeprefix("v")}" or a newer version, with its bundle.',
        )
    elif wanted[0] != oldest[0] or wanted[1] > oldest[1] + 1:
        interrupted = oldest[:2] != newest[:2]
        parts = f", and parts of it {versions[newest]}" if interrupted else ""
        first = (
            f"Finish the upgrade to {versions[newest]} first"
            if interrupted
            else f"Upgrade to {minor_text((oldest[0], oldest[1] + 1))} first"
        )
        message = f"the cluster runs {versions[oldest]}{parts}; the file has {spec.version}"
        yield _problem("upgrade-skips-a-minor", path, message, f"{first}, with its own bundle.")


def _component_versions(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> Iterator[str]:
    """The versions of the static pods of all control planes."""
    for host in spec.control_planes:
        images = facts[host.name].kubernetes.static_images if host.name in facts else {}
        yield from (image_tag(images.get(name, "")) for name in KUBERNETES_COMPONENTS)


def _kubelet_skew(spec: ClusterSpec, state: ClusterState, upgrade: UpgradeState) -> Iterator[Problem]:
    wanted, api = parsed_version(spec.version), parsed_version(upgrade.api_version)
    names = {host.name for host in spec.hosts}
    for node in state.nodes:
        kubelet = parsed_version(node.kubelet_version)
        if kubelet is None:
            continue
        if api is not None and kubelet[:2] > api[:2]:
            yield _problem(
                "kubelet-newer-than-api-server",
                f"nodes/{node.name}",
                f"the kubelet has {node.kubelet_version}, the API server {upgrade.api_version}",
                "Install the kubelet of the API server's version on this node.",
            )
        elif wanted is not None and kubelet > wanted and (api is None or api <= wanted) and node.name in names:
            yield _problem(
                "upgrade-is-a-downgrade",
                f"nodes/{node.name}",
                f"the kubelet has {node.kubelet_version}, the file {spec.version}",
                f'Write kubernetes_version: "{node.kubelet_version.removeprefix("v")}" or a newer version, with its bundle.',
            )
        if wanted is not None and wanted[1] > kubelet[1] + KUBELET_SKEW:
            how = (
                "Upgrade it first" if node.name in names else "Upgrade it by hand or remove it from the cluster: the file does not list it"
            )
            yield _problem(
                "kubelet-too-old",
                f"nodes/{node.name}",
                f"the kubelet has {node.kubelet_version}, more than {KUBELET_SKEW} minor versions older than {spec.version}",
                f"{how}.",
            )


def _ready(state: ClusterState) -> Iterator[Problem]:
    """A node that an earlier run drained may be the one that failed: this run continues there."""
    for node in state.nodes:
        if not node.ready and not node.drain_unfinished:
            hint = "Repair the node, or remove it from the cluster: pods of drained nodes need the other nodes."
            yield _problem("node-not-ready", f"nodes/{node.name}", f"the node is not Ready: {node.reason or 'no reason is known'}", hint)


def _etcd_space(state: ClusterState, upgrade: UpgradeState) -> Iterator[Problem]:
    """The owner may have changed the quota; 0 means the default, and a negative one has no limit."""
    arguments = ((state.kubeadm.get("etcd") or {}).get("local") or {}).get("extraArgs") or ()
    texts = [str(argument["value"]) for argument in arguments if argument["name"] == "quota-backend-bytes"]
    quota = int(texts[-1]) if texts and re.fullmatch(r"-?[0-9]{1,18}", texts[-1]) else 0
    quota = quota or ETCD_QUOTA
    if 0 < quota * _FULL < upgrade.etcd_bytes:
        message = f"its data has {upgrade.etcd_bytes // _MIB} MiB, and its quota is {quota // _MIB} MiB"
        hint = "Delete objects, then compact and defragment etcd, or raise quota-backend-bytes: a full etcd accepts no writes."
        yield _problem("etcd-not-healthy", "etcd", message, hint)


def _gates(spec: ClusterSpec, state: ClusterState) -> Iterator[Problem]:
    """A component exits at a feature gate that it does not have."""
    wanted = parsed_version(spec.version)
    for path, why in refused_gates(spec, state, wanted[:2]) if wanted is not None else ():
        _, config_map, *_ = path.split("/")
        hint = f"Remove it: kubectl -n kube-system edit configmap {config_map}"
        yield _problem("running-feature-gate-refused", path, why, hint)


def _deprecated(spec: ClusterSpec, upgrade: UpgradeState) -> Iterator[Problem]:
    wanted = parsed_version(spec.version)
    for request in upgrade.deprecated:
        if wanted is not None and request.removed_in <= wanted[:2]:
            yield _problem(
                "deprecated-api-in-use",
                f"apis/{request.api}",
                f"clients request {request.api}, which {minor_text(request.removed_in)} removes",
                "Find the clients in the API server's audit log and update them. The API server forgets these requests when it restarts.",
            )


def _disk(spec: ClusterSpec, facts: Mapping[str, HostFacts], missing: Mapping[str, int]) -> Iterator[Problem]:
    for host in spec.hosts:
        found, needed = facts.get(host.name), UNPACKED * missing.get(host.name, 0)
        if found is not None and 0 < found.disk_free < needed:
            message = f"{found.disk_free // _MIB} MB are free under /var/lib, but the new files and images need {needed // _MIB} MB"
            hint = "Free disk space (`df -h /var/lib`), or remove unused images (`crictl rmi --prune`)."
            yield _problem("too-little-disk-to-upgrade", f"hosts/{host.name}/disk", message, hint)


def _problem(code: str, path: str, message: str, hint: str) -> Problem:
    return Problem(code, path, message, hint, Severity.ERROR)
