"""containerd's hosts.toml of a registry, read as TOML."""

from __future__ import annotations

import tomllib
from typing import Any

from cluster.plan.values import mirrors
from cluster.vocabulary.spec import Images
from templates import render

PEM = "-----BEGIN CERTIFICATE-----"


def written(images: Images) -> dict[str, Any]:
    """The content of each file, by registry."""
    return {
        registry: tomllib.loads(render("host/registry-hosts.toml.j2", registry=registry, source=source))
        for registry, source in mirrors(images).items()
    }


def test_no_file_names_a_server() -> None:
    """containerd knows the server of a registry: docker.io has another host, and _default is no host at all."""
    images = Images(mirrors={"_default": ("https://a", "https://b"), "docker.io": ("https://[fd66::5]:5000",)})
    pull = {"capabilities": ["pull", "resolve"]}
    assert written(images) == {
        "_default": {"host": {"https://a": pull, "https://b": pull}},
        "docker.io": {"host": {"https://[fd66::5]:5000": pull}},
    }
    assert list(written(images)["_default"]["host"]) == ["https://a", "https://b"]


def test_the_api_root_of_a_proxy_project_is_not_changed() -> None:
    """containerd would ask /v2/docker/v2/library/nginx."""
    (file,) = written(Images(mirrors={"docker.io": ("https://m/v2/docker",)})).values()
    assert file["host"]["https://m/v2/docker"]["override_path"] is True


def test_mirrors_and_registries_have_their_own_authorities() -> None:
    """In the table of the mirror, or at the top for the registry itself."""
    images = Images(mirrors={"quay.io": ("https://m:5000", "https://n")}, ca={"m:5000": PEM, "quay.io": PEM})
    file = written(images)["quay.io"]
    assert file["ca"] == "/etc/containerd/sixstack-ca/quay.io.crt"
    assert file["host"]["https://m:5000"]["ca"] == "/etc/containerd/sixstack-ca/m:5000.crt"
    assert "ca" not in file["host"]["https://n"]
    assert written(images)["m:5000"] == {"ca": "/etc/containerd/sixstack-ca/m:5000.crt"}
