"""Reading kubeconfigs: kubeadm's own, and what is wrong with others."""

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
def test_the_server_is_what_gets_dialled(server: str, host: str, port: int) -> None:
    """An IPv6 address comes without its brackets."""
    config = read_kubeconfig(yaml.safe_dump(document(server)))
    assert (config.host, config.port, config.server_name) == (host, port, "kubernetes")


def test_a_token_does_instead_of_a_certificate() -> None:
    """Clusters that we did not make hand those out."""
    config = read_kubeconfig(document(token="secret-token"))
    assert (config.token, config.certificate, config.key) == ("secret-token", None, None)
    assert "secret-token" not in repr(config)


def without(key: str) -> Callable[[dict[str, Any]], object]:
    """Takes a part of the document away."""
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
def test_what_is_missing_is_said_without_showing_a_secret(spoil: Callable[[dict[str, Any]], object], says: str) -> None:
    """EnvironmentFault: whoever saved the kubeconfig can mend it."""
    config = document()
    spoil(config)
    with pytest.raises(EnvironmentFault, match=says) as caught:
        read_kubeconfig(config)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("text", ["", "just text", f"users: [{SECRET}: {{"])
def test_what_is_no_kubeconfig_is_said_without_quoting_it(text: str) -> None:
    """A YAML error would quote the line, which may be a key."""
    with pytest.raises(EnvironmentFault, match="empty or not a YAML mapping") as caught:
        read_kubeconfig(text)
    assert SECRET not in str(caught.value)
