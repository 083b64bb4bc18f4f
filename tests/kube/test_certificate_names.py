"""The names of the API server in the ConfigMap kubeadm-config."""

from __future__ import annotations

import pytest
import yaml

from cluster.vocabulary.errors import ClusterError
from kube.certificate_names import names_patch, set_certificate_names
from kube.client import ApiRefused, Document, KubeApi

SETTINGS = {
    "apiServer": {"certSANs": ["node-1", "10.96.0.1"], "extraArgs": [{"name": "v", "value": "2"}]},
    "clusterName": "demo",
    "kubernetesVersion": "v1.36.3",
}


def config_map(settings: object) -> Document:
    """The ConfigMap as the API server returns it."""
    text = settings if isinstance(settings, str) else yaml.safe_dump(settings)
    return {"metadata": {"name": "kubeadm-config", "resourceVersion": "7"}, "data": {"ClusterConfiguration": text}}


def test_only_the_names_change() -> None:
    """With the resource version, a concurrent change is a conflict. An address stays text."""
    patch = names_patch(config_map(SETTINGS), ["node-1", "fd66::1", "api.example"])
    assert patch is not None
    assert patch["metadata"] == {"resourceVersion": "7"}
    changed = yaml.safe_load(patch["data"]["ClusterConfiguration"])
    assert changed == {**SETTINGS, "apiServer": {**SETTINGS["apiServer"], "certSANs": ["node-1", "fd66::1", "api.example"]}}  # type: ignore[dict-item]


def test_the_same_names_in_another_order_need_no_patch() -> None:
    """Also none of both."""
    assert names_patch(config_map(SETTINGS), ["10.96.0.1", "node-1"]) is None
    assert names_patch(config_map({"clusterName": "demo"}), []) is None
    assert names_patch(config_map({"apiServer": None}), ["a"]) is not None


@pytest.mark.parametrize("text", ["", "- a", "{", "a: &x [*x]"])
def test_settings_that_cannot_be_read_are_not_overwritten(text: str) -> None:
    """They may be all that is left."""
    with pytest.raises(ClusterError, match="kubeadm-config has no readable ClusterConfiguration"):
        names_patch(config_map(text), ["a"])


class _Refusing:
    """Not an API server: one whose ConfigMap another client changes between each read and write, for as many times as it is told."""

    def __init__(self, conflicts: int) -> None:
        self.conflicts, self.merged = conflicts, 0

    def find(self, _path: str) -> Document:
        return config_map(SETTINGS)

    def merge(self, path: str, _patch: Document) -> Document:
        self.merged += 1
        if self.merged <= self.conflicts:
            raise ApiRefused(f"PATCH {path}", 409, "Conflict", "changed")
        return {}


def test_a_conflict_is_tried_again() -> None:
    """And given up after five times."""
    api = _Refusing(2)
    assert set_certificate_names(api, ["a"])  # type: ignore[arg-type]
    assert api.merged == 3
    with pytest.raises(ClusterError, match="again and again"):
        set_certificate_names(_Refusing(9), ["a"])  # type: ignore[arg-type]


@pytest.mark.bundle
def test_names_converge_on_a_real_api_server(api: KubeApi) -> None:
    """Without the ConfigMap, the error says how it is restored."""
    with pytest.raises(ClusterError, match="kubeadm init phase upload-config"):
        set_certificate_names(api, ["a"])
    api.create("/api/v1/namespaces/kube-system/configmaps", {**config_map(SETTINGS), "metadata": {"name": "kubeadm-config"}})
    try:
        assert set_certificate_names(api, ["a", "fd66::1"])
        assert not set_certificate_names(api, ["fd66::1", "a"])
        stored = api.get("/api/v1/namespaces/kube-system/configmaps/kubeadm-config")["data"]["ClusterConfiguration"]
        assert yaml.safe_load(stored)["apiServer"]["certSANs"] == ["a", "fd66::1"]
    finally:
        api.delete("/api/v1/namespaces/kube-system/configmaps/kubeadm-config")
