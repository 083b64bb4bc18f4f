"""The ConfigMap with the SSH endpoints of the hosts of a cluster."""

from __future__ import annotations

from cluster.vocabulary.remembered_hosts import CONFIG_MAP, NAMESPACE
from kube.client import ApiRefused, KubeApi, segment

CONFIG_MAPS = f"/api/v1/namespaces/{segment(NAMESPACE)}/configmaps"
_PATH = f"{CONFIG_MAPS}/{CONFIG_MAP}"


def remember_host(api: KubeApi, node: str, endpoint: str) -> bool:
    """Store the encoded endpoint of a host; False when it is stored already. Several hosts may be stored at the same time."""
    entry = {node: endpoint}
    for _ in range(2):
        found = api.find(_PATH)
        if found is not None:
            if (found.get("data") or {}).get(node) == endpoint:
                return False
            api.merge(_PATH, {"data": entry})
            return True
        try:
            api.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIG_MAP}, "data": entry})
        except ApiRefused as refusal:
            if refusal.status != 409:  # another host was first
                raise
        else:
            return True
    return False


def forget_host(api: KubeApi, node: str) -> bool:
    """Remove the endpoint of a host; False when there is none."""
    found = api.find(_PATH)
    if found is None or node not in (found.get("data") or {}):
        return False
    api.merge(_PATH, {"data": {node: None}})
    return True


def remembered_hosts(api: KubeApi) -> dict[str, str]:
    """The encoded endpoints by node, in one request."""
    found = api.find(_PATH)
    return dict((found or {}).get("data") or {})
