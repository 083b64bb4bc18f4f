"""The state of the cluster from its API server, as plain types that the plan compares with the spec."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any

from cluster.facts.cluster_state import ClusterState, NodeState
from cluster.pod_networks.plugins import POD_NETWORKS
from cluster.pod_networks.recognition import Workload, installed_network
from cluster.vocabulary.families import Network
from cluster.vocabulary.remembered_hosts import CONFIG_MAP
from cluster.vocabulary.spec import Taint, TaintEffect
from cluster.vocabulary.yaml_loader import NotYAML, load_document
from kube.client import Document, KubeApi
from kube.drain import CORDONED
from kube.nodes import internal_addresses, managed_keys
from kube.wait import NODES, deployment_available

ADDONS = ("coredns", "kube-proxy")  # kubeadm installs and upgrades them


def read_state(api: KubeApi) -> ClusterState:
    """Read nodes, network plug-in, cluster DNS and kubeadm's configuration, in five requests (six for a plug-in with address pools)."""
    nodes = read_nodes(api)
    workloads = [*api.get("/apis/apps/v1/daemonsets")["items"], *api.get("/apis/apps/v1/deployments")["items"]]
    network = installed_network(_workload(document) for document in workloads)
    coredns = api.get("/apis/apps/v1/namespaces/kube-system/deployments", labelSelector="k8s-app=kube-dns")["items"]
    config_maps = {
        config_map["metadata"]["name"]: config_map for config_map in api.get("/api/v1/namespaces/kube-system/configmaps")["items"]
    }
    corefile = config_maps.get("coredns", {}).get("data", {}).get("Corefile", "")
    return ClusterState(
        nodes=nodes,
        cni=network.kind,
        cni_detail=network.detail,
        cni_digest=network.digest,
        block_sizes=_block_sizes(api, POD_NETWORKS[network.kind].pools_path) if network.kind is not None else {},
        component_images=_addon_images(workloads),
        coredns_ready=bool(coredns) and all(deployment_available(deployment) for deployment in coredns),
        kubeadm=_kubeadm(config_maps, "kubeadm-config", "ClusterConfiguration"),
        kubelet=_kubeadm(config_maps, "kubelet-config", "kubelet"),
        kube_proxy=_kubeadm(config_maps, "kube-proxy", "config.conf"),
        dns_domain=_domain(corefile),
        dns_upstreams=_upstreams(corefile),
        endpoints=config_maps.get(CONFIG_MAP, {}).get("data") or {},
    )


def read_nodes(api: KubeApi) -> tuple[NodeState, ...]:
    """Read the nodes, in one request."""
    return tuple(node_state(node) for node in api.get(NODES)["items"])


def node_state(node: Document) -> NodeState:
    """One Node object as plain types."""
    metadata, spec, status = node["metadata"], node["spec"], node.get("status", {})
    managed_labels, managed_taints = managed_keys(node)
    ready: Document = next((condition for condition in status.get("conditions", []) if condition["type"] == "Ready"), {})
    return NodeState(
        name=metadata["name"],
        ready=ready.get("status") == "True",
        reason="" if ready.get("status") == "True" else str(ready.get("message", "")),
        addresses=internal_addresses(node),
        labels=dict(metadata.get("labels", {})),
        taints=tuple(
            Taint(key=taint["key"], value=taint.get("value", ""), effect=TaintEffect(taint["effect"])) for taint in spec.get("taints", [])
        ),
        pod_ranges=tuple(ip_network(cidr) for cidr in spec.get("podCIDRs", [])),
        kubelet_version=status.get("nodeInfo", {}).get("kubeletVersion", ""),
        unschedulable=bool(spec.get("unschedulable", False)),
        drain_unfinished=bool(spec.get("unschedulable", False)) and CORDONED in metadata.get("annotations", {}),
        managed_labels=managed_labels,
        managed_taints=managed_taints,
        runtime_version=status.get("nodeInfo", {}).get("containerRuntimeVersion", ""),
    )


def _workload(document: Document) -> Workload:
    metadata = document["metadata"]
    image = document["spec"]["template"]["spec"]["containers"][0]["image"]
    return Workload(metadata["name"], image, metadata.get("annotations", {}))


def _addon_images(workloads: list[Document]) -> dict[str, str]:
    """The images of the workloads that kubeadm installs."""
    return {
        workload["metadata"]["name"]: workload["spec"]["template"]["spec"]["containers"][0]["image"]
        for workload in workloads
        if workload["metadata"]["namespace"] == "kube-system" and workload["metadata"]["name"] in ADDONS
    }


def _block_sizes(api: KubeApi, pools_path: str) -> dict[Network, int]:
    """The block size of each address pool of the plug-in, by its range; {} for a plug-in without pools."""
    pools = (api.find(pools_path) or {"items": []})["items"] if pools_path else []
    return {ip_network(pool["spec"]["cidr"]): int(pool["spec"]["blockSize"]) for pool in pools}


def _kubeadm(config_maps: dict[str, Document], name: str, key: str) -> dict[str, Any]:
    """A document in a ConfigMap of kubeadm; {} when it does not exist or the owner replaced it with other content."""
    try:
        document = load_document(config_maps.get(name, {}).get("data", {}).get(key, ""))
    except NotYAML:
        return {}
    return document if isinstance(document, dict) else {}


def _domain(corefile: str) -> str:
    """The first zone of CoreDNS's kubernetes plug-in, unless it is a reverse zone."""
    # no \s: from each of 50,000 empty lines, it would read all that follow
    match = re.search(r"(?m)^[ \t]*+kubernetes[ \t]++([^\s{]++)", corefile)
    return match[1].rstrip(".") if match and not match[1].endswith(".arpa") else ""


def _upstreams(corefile: str) -> tuple[str, ...]:
    """The targets of `forward . TO...` in a Corefile (https://coredns.io/plugins/forward/)."""
    match = re.search(r"(?m)^[ \t]*+forward[ \t]++\.[ \t]++([^{\n]++)", corefile)
    return tuple(match[1].split()) if match else ()
