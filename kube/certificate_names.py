"""The names of the API server in kubeadm's settings of the cluster: later certificates, such as those of another control plane, get them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.yaml_loader import NotYAML, load_document
from kube.client import Document, KubeApi
from kube.conflicts import retry_conflicts

_PATH = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"
_KEY = "ClusterConfiguration"


def set_certificate_names(api: KubeApi, names: Sequence[str]) -> bool:
    """Set certSANs in the ConfigMap kubeadm-config; False when they are the same already. Other settings stay as they are."""

    def change() -> bool:
        config_map = api.find(_PATH)
        if config_map is None:
            raise ClusterError(
                "the ConfigMap kube-system/kubeadm-config does not exist: restore it with `kubeadm init phase upload-config kubeadm`"
            )
        patch = names_patch(config_map, names)
        if patch is None:
            return False
        api.merge(_PATH, patch)
        return True

    return retry_conflicts(change, ClusterError("the ConfigMap kube-system/kubeadm-config is changed again and again by another client"))


def names_patch(config_map: Document, names: Sequence[str]) -> Document | None:
    """The merge patch; None when the names are set already. A concurrent change makes it a Conflict."""
    import yaml

    settings = _settings(config_map)
    api_server = settings.get("apiServer")
    api_server = dict(api_server) if isinstance(api_server, dict) else {}
    if set(api_server.get("certSANs") or ()) == set(names):
        return None
    changed = {**settings, "apiServer": {**api_server, "certSANs": list(names)}}
    text = yaml.safe_dump(changed, sort_keys=True, allow_unicode=True, width=1000)
    return {"metadata": {"resourceVersion": config_map["metadata"]["resourceVersion"]}, "data": {_KEY: text}}


def _settings(config_map: Document) -> dict[str, Any]:
    try:
        document = load_document((config_map.get("data") or {}).get(_KEY, ""))
    except NotYAML:
        document = None
    if not isinstance(document, dict):
        raise ClusterError(f"the ConfigMap kube-system/kubeadm-config has no readable {_KEY}")
    return document
