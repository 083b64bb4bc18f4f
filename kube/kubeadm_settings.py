"""The settings of a cluster that kubeadm keeps in ConfigMaps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cluster.vocabulary.errors import ApiUnavailable
from kube.client import KubeApi
from kube.conflicts import retry_conflicts

_CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
# document -> ConfigMap and key
PLACES = {
    "cluster": ("kubeadm-config", "ClusterConfiguration"),
    "kubelet": ("kubelet-config", "kubelet"),
    "kube_proxy": ("kube-proxy", "config.conf"),
}


def write_settings(api: KubeApi, name: str, document: Mapping[str, Any]) -> bool:
    """Replace a document; False when it has this content already. JSON is YAML: kubeadm writes it as YAML again."""
    config_map, key = PLACES[name]
    path, text = f"{_CONFIG_MAPS}/{config_map}", json.dumps(document, indent=2, sort_keys=True) + "\n"

    def change() -> bool:
        found = api.get(path)
        if found["data"].get(key) == text:
            return False
        api.merge(path, {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}, "data": {key: text}})
        return True

    error = ApiUnavailable(f"ConfigMap {config_map} was changed by another program during each of 5 attempts to write it")
    return retry_conflicts(change, error)
