"""What to expect of a cluster whose file we do not have: what its API server says of it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

from cluster.facts.cluster_state import ClusterState
from cluster.network.expected import ExpectedNetwork
from cluster.vocabulary.families import Family, family_of
from cluster.vocabulary.labels import KEYS, address_labels
from cluster.vocabulary.spec import CniKind
from kube.client import ApiRefused, Document, KubeApi
from kube.state import read_state

# plug-ins of other people that are known to enforce NetworkPolicy; of the others it is found out
ENFORCING = ("Antrea", "Calico", "Canal", "Cilium", "Kube-OVN", "kube-router", "OVN-Kubernetes", "Weave Net")


def expected_from_api(api: KubeApi) -> ExpectedNetwork:
    """The families of the services, with the family of the API's own service first; all nodes; pod ranges and DNS domain where they are said."""
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
        # whoever labels nodes by their addresses means them to be right
        labels={
            node.name: address_labels({family_of(one): one for one in reversed(node.addresses) if family_of(one) in families}.values())
            for node in state.nodes
            if node.labels.keys() & set(KEYS.values())
        },
        nat={},
        policy=_policy(state),
        cni=state.cni_detail,
    )


def families_in_use(primary: Sequence[Family], of_services: Sequence[Family], state: ClusterState) -> tuple[Family, ...]:
    """Those of the service ranges; where the API server does not list these, those of the nodes' pod ranges, else of the primary alone."""
    of_pods = [family_of(pods) for node in state.nodes[:1] for pods in node.pod_ranges]
    return tuple(dict.fromkeys([*primary, *(of_services or of_pods)]))


def _service_families(api: KubeApi) -> list[Family]:
    """Of the ServiceCIDR objects, which Kubernetes has since 1.33 (networking.k8s.io/v1)."""
    try:
        found = api.find("/apis/networking.k8s.io/v1/servicecidrs") or {"items": []}
    except ApiRefused:
        return []
    items: list[Document] = found["items"]
    return [family_of(ip_network(cidr)) for item in items for cidr in item["spec"].get("cidrs", [])]


def _policy(state: ClusterState) -> bool | None:
    if state.cni is CniKind.FLANNEL:
        return False
    return True if state.cni is CniKind.CALICO or state.cni_detail.startswith(ENFORCING) else None
