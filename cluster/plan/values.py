"""The values of steps, for their templates and API calls.

Values are JSON-able and contain no secrets: a join token goes to the host as an input file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import merge
from typing import Any

from cluster.kubeadm.documents import api_endpoint, bind_port, cgroup_driver, init_documents
from cluster.kubeadm.kernel_settings import sysctls
from cluster.pod_networks.plugins import leftover_folders, leftover_values, pod_network
from cluster.vocabulary.families import Family
from cluster.vocabulary.hostport import join_host_port
from cluster.vocabulary.labels import node_labels
from cluster.vocabulary.releases import release_for
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec, Host
from cluster.vocabulary.topology import topology

# increase when templates/host/prepare.sh.j2 changes its result for the same values: prepared hosts are then prepared again
PREPARE_REVISION = 1


@dataclass(frozen=True, slots=True)
class HostFiles:
    """What one host needs from the bundle: content sha256 of files, references of images."""

    files: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()


# folders that every cluster fills; reset removes the content that was not there when the host was claimed (a folder before its parent)
_FOLDERS = (
    "/etc/containerd/certs.d",
    "/etc/containerd",
    "/etc/cni/net.d",
    "/etc/cni",
    "/etc/kubernetes",
    "/etc/systemd/system/containerd.service.d",
    "/etc/systemd/system/kubelet.service.d",
    "/opt/cni/bin",
    "/opt/cni",
    "/opt/containerd",
    "/run/containerd",
    "/run/nri",
    "/usr/libexec/kubernetes",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/lib/kube-proxy",
    "/var/log/containers",
    "/var/log/pods",
)
# including the folders of the pod network plug-ins
FOLDERS = tuple(merge(_FOLDERS, leftover_folders()))


def claim_values(spec: ResolvedSpec, host: Host) -> dict[str, Any]:
    """For host/claim.sh.j2, which records the owner of the host before any other change."""
    return {"cluster": spec.name, "host": host.name, "folders": list(FOLDERS), "pods": [str(pods) for pods in spec.pod_ranges]}


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
        "mirrors": {registry: list(urls) for registry, urls in spec.images.mirrors.items()},
        "proxy": proxy_environment(spec),
    }
    return {**values, "digest": prepared_digest(values)}


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
    }


def join_values(spec: ResolvedSpec, host: Host, *, recreate: bool = False) -> dict[str, Any]:
    """For host/join.sh.j2; `recreate`: the state of an earlier join is removed first (its control plane or its Node no longer exists)."""
    return {"cluster": spec.name, "host": host.name, "recreate": recreate, "pod_network": leftover_values()}


def label_values(spec: ResolvedSpec, host: Host) -> dict[str, Any]:
    """The labels and taints of a host's node."""
    taints = [{"key": taint.key, "value": taint.value, "effect": taint.effect.value} for taint in host.taints]
    return {"labels": node_labels(spec, host), "taints": taints}


def remove_step_state_values(cluster: str) -> dict[str, Any]:
    """For host/remove-step-state.sh.j2."""
    return {"cluster": cluster}


def reset_values(spec: ClusterSpec, host: Host) -> dict[str, Any]:
    """For host/reset.sh.j2."""
    return {
        "cluster": spec.name,
        "host": host.name,
        "folders": list(FOLDERS),
        "pod_network": leftover_values(),
        "pods": [str(pods) for pods in spec.pod_ranges],
    }


def pause_image(spec: ClusterSpec, images: Iterable[str]) -> str:
    """The sandbox image: the bundle's, else kubeadm's under the repository of the file."""
    held = sorted(image for image in images if image.rpartition("/")[2].startswith("pause:"))
    return held[-1] if held else f"{spec.images.repository}/pause:{release_for(spec.version).pause}"


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
