"""The expected network of a cluster without a cluster file, from its API server."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

from cluster.facts.cluster_state import ClusterState
from cluster.network.expected import ExpectedNetwork
from cluster.pod_networks.recognition import enforces_policy
from cluster.vocabulary.families import Family, family_of
from cluster.vocabulary.labels import KEYS, address_labels
from kube.client import ApiRefused, Document, KubeApi
from kube.state import read_state


def expected_from_api(api: KubeApi) -> ExpectedNetwork:
    """The families of the services (that of the service `kubernetes` first), all nodes, and the pod ranges and DNS domain if known."""
    state = read_state(api)
    service = api.get("/api/v1/namespaces/default/services/kubernetes")
    primary = [Family.IPV4 if name == "IPv4" else Family.IPV6 for name in service["spec"].get("ipFamilies", [])]
    families = families_in_use(primary, _service_families(api), state)
    networking = state.kubeadm.get("networking", {})
    ranges = [text for text in str(networking.get("podSubnet", "")).split(",") if text]
    return ExpectedNetwork(
        families=families,
        nodes={node.name: () for node in state.nodes},
        dns_domain=str(networking.get("dnsDomain") or state.dns_domain or "cluster.local"),
        pod_ranges=tuple(ip_network(text) for text in ranges),
        # nodes with address labels must have the correct ones
        labels={
            node.name: address_labels(
                {family_of(address): address for address in reversed(node.addresses) if family_of(address) in families}.values()
            )
            for node in state.nodes
            if node.labels.keys() & set(KEYS.values())
        },
        nat={},
        policy=enforces_policy(state),
        cni=state.cni_detail,
    )


def families_in_use(primary: Sequence[Family], of_services: Sequence[Family], state: ClusterState) -> tuple[Family, ...]:
    """The families of the service ranges. If the API server does not list these: of the pod ranges of the nodes, else the primary family."""
    of_pods = [family_of(pods) for node in state.nodes[:1] for pods in node.pod_ranges]
    return tuple(dict.fromkeys([*primary, *(of_services or of_pods)]))


def _service_families(api: KubeApi) -> list[Family]:
    """The families of the ServiceCIDR objects, which exist since Kubernetes 1.33 (networking.k8s.io/v1)."""
    try:
        found = api.find("/apis/networking.k8s.io/v1/servicecidrs") or {"items": []}
    except ApiRefused:
        return []
    items: list[Document] = found["items"]
    return [family_of(ip_network(cidr)) for item in items for cidr in item["spec"].get("cidrs", [])]
