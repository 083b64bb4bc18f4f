"""The values of steps, for their templates and API calls.

Values are JSON-able and contain no secrets: a join token goes to the host as an input file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cluster.kubeadm.documents import (
    api_endpoint,
    bind_port,
    cgroup_driver,
    init_documents,
    join_check_configuration,
    upgrade_configuration,
)
from cluster.kubeadm.kernel_settings import sysctls
from cluster.kubeadm.volumes import FILES_FOLDER
from cluster.plan.copies import CopySettings
from cluster.plan.expiry import KUBELET_SERVING, ManagedCertificate
from cluster.pod_networks.plugins import leftover_folders, leftover_values, pod_network
from cluster.rules.component_arguments import removed_arguments
from cluster.vocabulary.families import Family
from cluster.vocabulary.hostport import join_host_port
from cluster.vocabulary.labels import node_labels
from cluster.vocabulary.registries import pull_plans
from cluster.vocabulary.releases import minor_of, release_for
from cluster.vocabulary.remembered_hosts import encode_endpoint
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec, Host, Images, VolumeType
from cluster.vocabulary.topology import topology

# increase when templates/host/prepare.sh.j2 changes its result for the same values: prepared hosts are then prepared again
PREPARE_REVISION = 3

SNAPSHOT_SECONDS = 900  # for a snapshot of etcd: its database has 8 GB at most
_STEADY_SECONDS = 15  # that the API server of a control plane answers after its kubelet was replaced
SLACK_KIB = 256 * 1024  # disk space that a copy of etcd's data leaves free


ETCD_PEER_PORT = 2380
# the least number of revisions between a snapshot and what is restored from it: https://etcd.io/docs/v3.6/op-guide/recovery/
REVISION_BUMP = 1_000_000_000


@dataclass(frozen=True, slots=True)
class RestoreSource:
    """The copy that a restore reads, without its content."""

    store: str  # name of the Backup store block
    copy: str  # name of the copy in the folder of the cluster
    identity: str  # path of the file with the age identity, on the machine of the Prefect worker


PATIENCE_MS = 1500  # for the end of a component after SIGTERM, before SIGKILL


@dataclass(frozen=True, slots=True)
class HostFiles:
    """What one host needs from the bundle: content sha256 of files, references of images."""

    files: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()
    targets: Mapping[str, str] = field(default_factory=dict)  # path on the host, by content sha256


# Folders that a cluster fills, a folder before its parent: reset removes what was not there when the host was claimed (docs/decisions/owner-files.md).
# Programs and configuration of other programs may be here: the claim copies them.
_COPIED_FOLDERS = (
    "/etc/cni/net.d",
    "/etc/cni",
    "/etc/kubernetes",
    "/opt/cni/bin",
    "/opt/cni",
    "/opt/containerd",
    "/usr/libexec/kubernetes",
)
# Data that a cluster would change and that is too large to copy: a host with such data is refused.
_DATA_FOLDERS = (
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/lib/kube-proxy",
)
_LISTED_FOLDERS = (
    "/run/containerd",
    "/run/nri",
    "/var/log/containers",
    "/var/log/pods",
    *leftover_folders(),
)
FOLDERS = (*_COPIED_FOLDERS, *_DATA_FOLDERS, *_LISTED_FOLDERS)
# Folders in which a cluster has single files: what the owner adds later stays.
_SHARED_FOLDERS = (
    "/etc/containerd/sixstack-ca",
    "/etc/containerd/certs.d",
    "/etc/containerd",
    "/etc/systemd/system/containerd.service.d",
    "/etc/systemd/system/kubelet.service.d",
)
# Files in these and other folders that host/prepare.sh.j2 writes. They begin with a line with the word sixstack.
_WRITTEN = (
    "/etc/containerd/config.toml",
    "/etc/modules-load.d/sixstack.conf",
    "/etc/sysctl.d/90-sixstack.conf",
    "/etc/systemd/system/containerd.service.d/50-sixstack-proxy.conf",
)
# Names in /var/lib/sixstack that belong to one cluster.
_STATE_FILES = (
    "prepared", "written", "written.new", "init.yaml", "initializing", "restoring", "initialized", "restored", "joining", "joined", "authority",
    "pods", "kubelet-renewal",
)  # fmt: skip


def claim_values(spec: ResolvedSpec, host: Host) -> dict[str, Any]:
    """For host/claim.sh.j2, which records the owner of the host before any other change."""
    return {
        "cluster": spec.name,
        "host": host.name,
        "folders": list(FOLDERS),
        "copied_folders": list(_COPIED_FOLDERS),
        "data_folders": list(_DATA_FOLDERS),
        "shared_folders": list(_SHARED_FOLDERS),
        "state_files": list(_STATE_FILES),
    }


def prepare_values(spec: ResolvedSpec, host: Host, images: Iterable[str] = ()) -> dict[str, Any]:
    """For host/prepare.sh.j2; `images` are the references of the bundle, among which the pause image is found.

    `digest` covers all other values. A host with this digest in its record needs no preparation.
    """
    values: dict[str, Any] = {
        "cluster": spec.name,
        "host": host.name,
        "addresses": [str(address) for address in host.addresses],
        "sysctls": sysctls(spec),
        "ipv6": Family.IPV6 in spec.families,
        "accept_ra": spec.prepare.accept_ra,
        "bridge_filter": pod_network(spec).needs_bridge_filter,
        "swap_off": spec.prepare.swap_off,
        "pause": pause_image(spec, images),
        "systemd_cgroup": cgroup_driver(spec) == "systemd",
        "mirrors": mirrors(spec.images),
        "files": file_digests(spec),
        "volumes": existing_paths(spec) if host in spec.control_planes else {},
        "authorities": {
            authority_path(host): f"# sixstack: certificate authority of {host}\n{pem.strip()}" for host, pem in spec.images.ca.items()
        },
        "proxy": proxy_environment(spec),
        "pods": [str(pods) for pods in spec.pod_ranges],
    }
    return {**values, "digest": prepared_digest(values)}


def hosts_entries(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The lines of the cluster in /etc/hosts, without their comment. `values` as of prepare_values()."""
    return tuple(f"{address} {values['host']}" for address in values["addresses"])


def prepared_digest(values: dict[str, Any]) -> str:
    """sha256 of the settings that prepare-host applies."""
    text = json.dumps({"revision": PREPARE_REVISION, **values}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def init_values(spec: ResolvedSpec) -> dict[str, Any]:
    """For host/init.sh.j2 on the seed control plane."""
    seed = topology(spec).seed
    return {
        "cluster": spec.name,
        "host": seed.name,
        "documents": init_documents(spec),
        "pod_network": leftover_values(),
        "api": join_host_port(str(seed.addresses[0]), bind_port(spec)),
        "dns_upstreams": [join_host_port(str(address), 53) for address in spec.network.dns_upstreams],
        "marker": "initializing",
        "preflight_ignored": "",
    }


def restore_values(spec: ResolvedSpec, source: RestoreSource) -> dict[str, Any]:
    """For host/restore.sh.j2 on the seed control plane, and for reading the copy. The identity is named by its path."""
    seed = topology(spec).seed
    return {
        **init_values(spec),
        "marker": "restoring",
        "preflight_ignored": "DirAvailable--var-lib-etcd",
        "store": source.store,
        "copy": source.copy,
        "identity": source.identity,
        # as kubeadm names its first member: etcd keeps the peer URL that it is restored with
        "peer": f"https://{join_host_port(str(seed.addresses[0]), ETCD_PEER_PORT)}",
        "bump": REVISION_BUMP,
    }


def static_pod_values(spec: ResolvedSpec, host: Host, version: str) -> dict[str, Any]:
    """For host/static-pods.sh.j2 on a control plane of this version of Kubernetes."""
    documents = [
        {**document, "kubernetesVersion": version} if "kubernetesVersion" in document else document for document in init_documents(spec)
    ]
    return {"cluster": spec.name, "host": host.name, "documents": documents}


def join_values(spec: ResolvedSpec, host: Host, *, recreate: bool = False) -> dict[str, Any]:
    """For host/join.sh.j2; `recreate`: the state of an earlier join is removed first (its control plane or its Node no longer exists)."""
    return {"cluster": spec.name, "host": host.name, "recreate": recreate, "pod_network": leftover_values()}


def preflight_values(spec: ResolvedSpec, host: Host) -> dict[str, Any]:
    """For host/check-preflight.sh.j2: the checks of kubeadm init, or of kubeadm join."""
    seed = host == topology(spec).seed
    documents = init_documents(spec) if seed else [join_check_configuration(spec, host)]
    return {"cluster": spec.name, "host": host.name, "command": "init" if seed else "join", "documents": documents}


def upgrade_control_plane_values(spec: ClusterSpec, host: Host, *, seed: bool) -> dict[str, Any]:
    """For host/upgrade-control-plane.sh.j2; `seed`: kubeadm upgrades the cluster's settings with this control plane."""
    return {
        "cluster": spec.name,
        "host": host.name,
        "version": spec.version,
        "seed": seed,
        "documents": [upgrade_configuration(spec)],
        "slack_kib": SLACK_KIB,
    }


def upgrade_node_values(spec: ResolvedSpec, host: Host) -> dict[str, Any]:
    """For host/upgrade-node.sh.j2."""
    return {
        "cluster": spec.name,
        "host": host.name,
        "version": spec.version,
        "control_plane": host in spec.control_planes,
        "removed_arguments": sorted(removed_arguments("kubelet", minor_of(spec.version))),
        "documents": [upgrade_configuration(spec)],
    }


def restart_kubelet_values(spec: ResolvedSpec, host: Host) -> dict[str, Any]:
    """For host/restart-kubelet.sh.j2; `api`: the API server of a control plane."""
    api = join_host_port(str(host.addresses[0]), bind_port(spec)) if host in spec.control_planes else None
    return {"cluster": spec.name, "host": host.name, "version": spec.version, "api": api, "steady_seconds": _STEADY_SECONDS}


def label_values(spec: ResolvedSpec, host: Host, *, uncordon: bool = False) -> dict[str, Any]:
    """The labels and taints of a host's node, and the SSH endpoint that the cluster remembers. `uncordon`: an interrupted drain left it cordoned."""
    taints = [{"key": taint.key, "value": taint.value, "effect": taint.effect.value} for taint in host.taints]
    return {"labels": node_labels(spec, host), "taints": taints, "endpoint": encode_endpoint(host.ssh), "uncordon": uncordon}


def remove_step_state_values(cluster: str) -> dict[str, Any]:
    """For host/remove-step-state.sh.j2."""
    return {"cluster": cluster}


def reset_values(spec: ClusterSpec, host: Host) -> dict[str, Any]:
    """For host/reset.sh.j2."""
    return {
        "cluster": spec.name,
        "host": host.name,
        "folders": list(FOLDERS),
        "shared_folders": list(_SHARED_FOLDERS),
        "written": list(_WRITTEN),
        "state_files": list(_STATE_FILES),
        "pod_network": leftover_values(),
    }


def copy_values(spec: ClusterSpec, host: Host, copies: CopySettings) -> dict[str, Any]:
    """For host/save-copy.sh.j2 and for the store."""
    return {
        "cluster": spec.name,
        "host": host.name,
        "store": copies.store,
        "test": copies.test,
        "only_last": copies.only_last,
        "reason": copies.reason.value,
        "kept": copies.kept,
        "snapshot_seconds": SNAPSHOT_SECONDS,
        "slack_kib": SLACK_KIB,
    }


def issue_values(
    spec: ResolvedSpec, host: Host, renewed: Sequence[ManagedCertificate], issued: Sequence[ManagedCertificate]
) -> dict[str, Any]:
    """For host/renew-certificates.sh.j2: `renewed` keep their names, `issued` get those of the file."""
    return {
        "cluster": spec.name,
        "host": host.name,
        "documents": init_documents(spec)[:2],
        "renewed": [managed.name for managed in renewed],
        "issued": [{"name": managed.name, "phase": managed.phase, "files": list(managed.files)} for managed in issued],
        "files": [file for managed in (*renewed, *issued) for file in managed.files],
    }


def restart_values(spec: ClusterSpec, host: Host, component: str, read: Sequence[ManagedCertificate]) -> dict[str, Any]:
    """For host/restart-static-pod.sh.j2; `read`: the certificates that the component must be younger than."""
    return {
        "cluster": spec.name,
        "host": host.name,
        "component": component,
        "process": component[:15],  # the kernel keeps no more of the name
        "patience_ms": PATIENCE_MS,
        "files": [file for managed in read for file in managed.files],
    }


def kubelet_renewal_values(spec: ClusterSpec, host: Host) -> dict[str, Any]:
    """For host/renew-kubelet-certificate.sh.j2."""
    return {"cluster": spec.name, "host": host.name, "certificate": KUBELET_SERVING}


def pause_image(spec: ClusterSpec, images: Iterable[str]) -> str:
    """The sandbox image: the bundle's, else kubeadm's under the repository of the file."""
    held = sorted(image for image in images if image.rpartition("/")[2].startswith("pause:"))
    return held[-1] if held else f"{spec.images.repository}/pause:{release_for(spec.version).pause}"


def mirrors(images: Images) -> dict[str, Any]:
    """For host/registry-hosts.toml.j2, by registry."""
    return {
        registry: {
            "authority": authority_path(plan.authority) if plan.authority else None,
            "mirrors": [
                {
                    "url": mirror.url,
                    "override_path": mirror.override_path,
                    "authority": authority_path(mirror.authority) if mirror.authority else None,
                }
                for mirror in plan.mirrors
            ],
        }
        for registry, plan in pull_plans(images).items()
    }


def file_digests(spec: ClusterSpec) -> dict[str, str]:
    """sha256 of each file in `kubeadm.files`, by path. Their content is not among the values of a step: `file_contents`."""
    return {path: hashlib.sha256(content.encode()).hexdigest() for path, content in file_contents(spec).items()}


def file_contents(spec: ClusterSpec) -> dict[str, str]:
    """For host/prepare.sh.j2, beside its values: the content of each file in `kubeadm.files`, by path."""
    return {f"{FILES_FOLDER}/{name}": content.rstrip("\n") for name, content in spec.kubeadm.files.items()}


# volumes that must exist before kubeadm init: their type and the test of a shell
_TESTS = {
    VolumeType.FILE: "-f",
    VolumeType.DIRECTORY: "-d",
    VolumeType.SOCKET: "-S",
    VolumeType.CHARACTER_DEVICE: "-c",
    VolumeType.BLOCK_DEVICE: "-b",
}


def existing_paths(spec: ClusterSpec) -> dict[str, str]:
    """The paths of extra volumes that must exist on a control plane, with the shell's test of their type."""
    return {
        volume.host_path: _TESTS[volume.path_type]
        for volumes in spec.kubeadm.extra_volumes.values()
        for volume in volumes
        if volume.path_type in _TESTS and not volume.host_path.startswith(f"{FILES_FOLDER}/")
    }


def authority_path(host: str) -> str:
    """The file with the certificate authority of a mirror or registry. The folder is sixstack's own: certs.d may have files of the owner."""
    return f"/etc/containerd/sixstack-ca/{host}.crt"


def proxy_environment(spec: ResolvedSpec) -> dict[str, str]:
    """containerd's proxy variables; {} without a proxy. The cluster's own ranges and names never use the proxy."""
    proxy = spec.proxy
    environment = {name: value for name, value in (("HTTP_PROXY", proxy.http), ("HTTPS_PROXY", proxy.https)) if value}
    if not environment:
        return {}
    direct = [
        *proxy.no_proxy,
        "localhost",
        "127.0.0.0/8",
        "::1",
        ".svc",
        f".{spec.network.dns_domain}",
        api_endpoint(spec)[0],
        *(str(address) for host in spec.hosts for address in host.addresses),
        *(str(network) for network in (*spec.pod_ranges, *spec.service_ranges)),
    ]
    return {**environment, "NO_PROXY": ",".join(dict.fromkeys(direct))}
