"""Reading kubeconfigs of kubeadm and of other tools."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from cluster.vocabulary.errors import EnvironmentFault
from kube.kubeconfig import read_kubeconfig

SECRET = base64.b64encode(b"-----BEGIN PRIVATE KEY-----").decode()


def document(server: str = "https://198.18.0.11:6443", **user: str) -> dict[str, Any]:
    """A kubeconfig as kubeadm writes it."""
    pem = base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode()
    return {
        "current-context": "kubernetes-admin@demo",
        "contexts": [{"name": "kubernetes-admin@demo", "context": {"cluster": "demo", "user": "kubernetes-admin"}}],
        "clusters": [{"name": "demo", "cluster": {"server": server, "certificate-authority-data": pem}}],
        "users": [{"name": "kubernetes-admin", "user": user or {"client-certificate-data": pem, "client-key-data": SECRET}}],
    }


@pytest.mark.parametrize(
    ("server", "host", "port"),
    [
        ("https://198.18.0.11:6443", "198.18.0.11", 6443),
        ("https://[fd66::11]:6443", "fd66::11", 6443),
        ("https://api.example.org", "api.example.org", 443),
    ],
)
def test_the_server_is_the_address_to_dial(server: str, host: str, port: int) -> None:
    """An IPv6 address has no brackets."""
    config = read_kubeconfig(yaml.safe_dump(document(server)))
    assert (config.host, config.port, config.server_name) == (host, port, "kubernetes")


def test_a_token_replaces_a_certificate() -> None:
    """Clusters of other tools use tokens."""
    config = read_kubeconfig(document(token="secret-token"))
    assert (config.token, config.certificate, config.key) == ("secret-token", None, None)
    assert "secret-token" not in repr(config)


def without(key: str) -> Callable[[dict[str, Any]], object]:
    """Removes a part of the document."""
    return lambda config: config.pop(key)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (without("users"), "lacks 'users'"),
        (without("current-context"), "lacks 'current-context'"),
        (lambda config: config["clusters"][0]["cluster"].pop("certificate-authority-data"), "lacks 'certificate-authority-data'"),
        (lambda config: config["clusters"][0]["cluster"].update(server="http://a"), "must be an https URL"),
        (lambda config: config["users"][0].update(user={"exec": {"command": "login"}}), "embed them"),
        (lambda config: config["users"][0]["user"].update({"client-key-data": "%%%"}), "not base64 of PEM"),
        (lambda config: config.update({"current-context": "other"}), "no entry 'other'"),
    ],
)
def test_a_missing_part_is_reported_without_a_secret(spoil: Callable[[dict[str, Any]], object], says: str) -> None:
    """EnvironmentFault, because the saved kubeconfig must be corrected."""
    config = document()
    spoil(config)
    with pytest.raises(EnvironmentFault, match=says) as caught:
        read_kubeconfig(config)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("text", ["", "just text", f"users: [{SECRET}: {{"])
def test_invalid_text_is_reported_without_a_quotation(text: str) -> None:
    """A YAML error would quote the line, which may contain a key."""
    with pytest.raises(EnvironmentFault, match="empty or not a YAML mapping") as caught:
        read_kubeconfig(text)
    assert SECRET not in str(caught.value)
