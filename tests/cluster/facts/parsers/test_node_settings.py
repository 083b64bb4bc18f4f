"""Settings of the node: part node-settings."""

from __future__ import annotations

import pytest

from cluster.facts.parsers.node_settings import FoundSettings, node_settings

TEXT = """digests compared
changed /opt/cni/bin/bridge
kubelet-config apiVersion: kubelet.config.k8s.io/v1beta1
kubelet-config authentication:
kubelet-config   anonymous:
kubelet-config     enabled: false
kubelet-config staticPodURLHeader:
kubelet-config   Authorization: [secret]
kubelet-flags "--container-runtime-endpoint=unix:///run/containerd/containerd.sock --node-ip=192.0.2.1,fd00::1"
"""


def test_files_configuration_and_flags_are_read() -> None:
    """The indentation stays, and a field that may have a token goes."""
    found = node_settings(TEXT)
    assert found.changed_files == ("/opt/cni/bin/bridge",)
    assert found.kubelet == {"apiVersion": "kubelet.config.k8s.io/v1beta1", "authentication": {"anonymous": {"enabled": False}}}
    assert found.kubelet_flags["node-ip"] == "192.0.2.1,fd00::1"


def test_a_bare_host_has_none() -> None:
    """It has no markers."""
    assert node_settings("digests compared") == FoundSettings()


@pytest.mark.parametrize(
    "text", ["", "digests compared\nkubelet-config {", "digests compared\nkubelet-config - a", 'digests compared\nkubelet-flags "a']
)
def test_what_cannot_be_read_is_an_error(text: str) -> None:
    """It becomes an unknown fact."""
    with pytest.raises(ValueError, match=r"."):
        node_settings(text)
