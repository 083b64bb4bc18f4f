"""The pod network plug-in's settings."""

import pytest

from tests.cluster.rules.conftest import Check, Document


class TestVxlanPortIsNodePort:
    """vxlan-port-is-node-port."""

    @pytest.mark.parametrize(("kind", "default"), [("flannel", "8472"), ("calico", "4789")])
    def test_a_node_port_is_refused(self, check: Check, kind: str, default: str) -> None:
        """A service can allocate it. The hint has the default port of the kind."""
        problem = check({"cni": {"kind": kind, "vxlan_port": 30000}})["vxlan-port-is-node-port", "cni.vxlan_port"]
        assert default in problem.hint

    def test_the_node_ports_of_the_file_count(self, check: Check) -> None:
        """--service-node-port-range of the API server, here with the default port of flannel."""
        ports = {"kubeadm.extra_args": {"apiserver": {"service-node-port-range": "8000-9000"}}}
        problem = check(ports)["vxlan-port-is-node-port", "cni.vxlan_port"]
        assert "8000 to 9000" in problem.message
        assert "8472" not in problem.hint
        assert check({**ports, "cni": {"vxlan_port": 30000}}) == {}

    @pytest.mark.parametrize("cni", [{"vxlan_port": 4789}, {"kind": "calico", "vxlan_port": 8472}])
    def test_other_ports_are_accepted(self, check: Check, cni: Document) -> None:
        """For every kind."""
        assert check({"cni": cni}) == {}


class TestSettingUnused:
    """cni-setting-unused."""

    @pytest.mark.parametrize(
        ("cni", "field", "hint"),
        [
            ({"files": ["calico.yaml"]}, "files", "kind: manifests"),
            ({"pools": {"ipv4": {"block_size": 24}}}, "pools", "kind: calico"),
            ({"kind": "none", "vxlan_port": 4789}, "vxlan_port", "kind: flannel or kind: calico"),
            ({"kind": "none", "mtu": 1400}, "mtu", "kind: flannel"),
            ({"kind": "manifests", "files": ["a.yaml"], "version": "1.2.3"}, "version", "kind: flannel"),
            ({"kind": "manifests", "files": ["a.yaml"], "images": {"flannel": "a.example/b:c"}}, "images", "kind: flannel"),
        ],
    )
    def test_a_setting_of_another_kind_is_refused(self, check: Check, cni: Document, field: str, hint: str) -> None:
        """The setting would have no effect."""
        assert hint in check({"cni": cni})["cni-setting-unused", f"cni.{field}"].hint

    def test_every_unused_setting_is_reported(self, check: Check) -> None:
        """One problem per setting."""
        cni = {"kind": "none", "mtu": 1400, "files": ["a.yaml"], "version": "0.28.10"}
        assert {path for _, path in check({"cni": cni})} == {"cni.mtu", "cni.files", "cni.version"}


class TestImageUnknown:
    """cni-image-unknown."""

    def test_an_unknown_image_name_is_refused(self, check: Check) -> None:
        """The hint lists the known names."""
        cni = {"kind": "calico", "images": {"node": "registry.example.org/calico/node:v3.31.1"}}
        assert "calico-node" in check({"cni": cni})["cni-image-unknown", "cni.images.node"].hint

    @pytest.mark.parametrize(
        "image", ["registry.example.org:5000/calico/node:v3.31.1", f"a.example/b@sha256:{'0' * 64}", "[fd66::1]/node:v1"]
    )
    def test_an_image_reference_needs_a_registry(self, check: Check, image: str) -> None:
        """containerd does not support an IPv6 literal as registry."""
        found = check({"cni": {"kind": "calico", "images": {"calico-node": image}}})
        assert {code for code, _ in found} == ({"malformed"} if "[" in image else set())


class TestVersionUnsupported:
    """cni-version-unsupported."""

    @pytest.mark.parametrize(("kind", "version"), [("flannel", "0.19.2"), ("calico", "3.28.0"), ("calico", "v4.0.0")])
    def test_another_release_is_refused(self, check: Check, kind: str, version: str) -> None:
        """The message has the reason; the hint has the kind for any version."""
        problem = check({"cni": {"kind": kind, "version": version}})["cni-version-unsupported", "cni.version"]
        assert version.removeprefix("v") in problem.message
        assert "kind: manifests" in problem.hint

    @pytest.mark.parametrize(("kind", "version"), [("flannel", "v0.28.1"), ("calico", "3.31.7")])
    def test_another_patch_is_accepted(self, check: Check, kind: str, version: str) -> None:
        """With or without its v."""
        assert check({"cni": {"kind": kind, "version": version}}) == {}


class TestNetworkPolicyDiffers:
    """network-policy-differs."""

    @pytest.mark.parametrize(("kind", "asked"), [("flannel", True), ("calico", False)])
    def test_a_value_that_contradicts_the_plugin_is_refused(self, check: Check, kind: str, asked: bool) -> None:
        """flannel does not enforce NetworkPolicy, Calico does."""
        assert ("network-policy-differs", "cni.network_policy") in check({"cni": {"kind": kind, "network_policy": asked}})
