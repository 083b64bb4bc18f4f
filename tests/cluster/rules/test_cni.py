"""The pod network plug-in's settings."""

import pytest

from tests.cluster.rules.conftest import Check, Document

CALICO = {"cni.kind": "calico"}


class TestVxlanPortIsNodePort:
    """vxlan-port-is-node-port."""

    @pytest.mark.parametrize(("kind", "default"), [("flannel", "8472"), ("calico", "4789")])
    def test_a_node_port_is_refused(self, check: Check, kind: str, default: str) -> None:
        """A service may take it; the hint names the kind's own port."""
        problem = check({"cni": {"kind": kind, "vxlan_port": 30000}})["vxlan-port-is-node-port", "cni.vxlan_port"]
        assert default in problem.hint

    @pytest.mark.parametrize("cni", [{"vxlan_port": 4789}, {"kind": "calico", "vxlan_port": 8472}])
    def test_other_ports_are_accepted(self, check: Check, cni: Document) -> None:
        """Whichever kind it is."""
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
        """It would have no effect, and nobody would say so."""
        assert hint in check({"cni": cni})["cni-setting-unused", f"cni.{field}"].hint

    def test_a_pool_of_a_family_that_is_not_there_is_refused(self, check: Check) -> None:
        """In a cluster of one family."""
        cni = {"kind": "calico", "pools": {"ipv6": {"block_size": 122}}}
        assert ("cni-setting-unused", "cni.pools.ipv6") in check({"cni": cni}, "ipv4")
        assert check({"cni": cni}, "ipv6") == {}

    def test_all_are_told_at_once(self, check: Check) -> None:
        """One problem a setting."""
        cni = {"kind": "none", "mtu": 1400, "files": ["a.yaml"], "version": "0.28.10"}
        assert {path for _, path in check({"cni": cni})} == {"cni.mtu", "cni.files", "cni.version"}


class TestFilesMissing:
    """cni-files-missing."""

    def test_manifests_without_files_are_refused(self, check: Check) -> None:
        """There would be nothing to apply."""
        assert ("cni-files-missing", "cni.files") in check({"cni": {"kind": "manifests"}})
        assert check({"cni": {"kind": "manifests", "files": ["a.yaml"], "network_policy": True}}) == {}


class TestImageUnknown:
    """cni-image-unknown."""

    def test_a_name_that_the_kind_has_not_is_refused(self, check: Check) -> None:
        """The hint lists those it has."""
        cni = {"kind": "calico", "images": {"node": "registry.example.org/calico/node:v3.31.1"}}
        assert "calico-node" in check({"cni": cni})["cni-image-unknown", "cni.images.node"].hint

    @pytest.mark.parametrize(
        "image", ["registry.example.org:5000/calico/node:v3.31.1", f"a.example/b@sha256:{'0' * 64}", "[fd66::1]/node:v1"]
    )
    def test_a_reference_is_whole(self, check: Check, image: str) -> None:
        """With registry; an IPv6 literal is no registry that containerd takes."""
        found = check({"cni": {"kind": "calico", "images": {"calico-node": image}}})
        assert {code for code, _ in found} == ({"malformed"} if "[" in image else set())


class TestVersionUnsupported:
    """cni-version-unsupported."""

    @pytest.mark.parametrize(("kind", "version"), [("flannel", "0.19.2"), ("calico", "3.28.0"), ("calico", "v4.0.0")])
    def test_another_release_is_refused(self, check: Check, kind: str, version: str) -> None:
        """With the reason, and the way that takes any version."""
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
    def test_the_opposite_of_what_the_plugin_does_is_refused(self, check: Check, kind: str, asked: bool) -> None:
        """flannel enforces none, Calico enforces all."""
        assert ("network-policy-differs", "cni.network_policy") in check({"cni": {"kind": kind, "network_policy": asked}})


class TestBlockSizeOutOfRange:
    """block-size-out-of-range."""

    @pytest.mark.parametrize(("family", "size"), [("ipv4", 33), ("ipv4", 116), ("ipv6", 26), ("ipv6", 115)])
    def test_a_size_of_the_other_family_is_refused(self, check: Check, family: str, size: int) -> None:
        """Calico's limits, with its default as the hint."""
        problem = check({**CALICO, f"cni.pools.{family}.block_size": size})["block-size-out-of-range", f"cni.pools.{family}.block_size"]
        assert f"/{size}" in problem.message

    @pytest.mark.parametrize(("family", "size"), [("ipv4", 20), ("ipv4", 32), ("ipv6", 116), ("ipv6", 128)])
    def test_the_limits_are_accepted(self, check: Check, family: str, size: int) -> None:
        """/20 to /32 and /116 to /128."""
        assert check({**CALICO, f"cni.pools.{family}.block_size": size}) == {}


class TestPoolTooSmall:
    """pool-too-small."""

    @pytest.mark.parametrize("cidr", ["10.244.0.0/27", "10.244.0.0/26", "10.244.0.0/25"])
    def test_a_pool_with_fewer_blocks_than_hosts_is_refused(self, check: Check, cidr: str) -> None:
        """None, one and two blocks of /26 for three hosts; the hint gives a pod CIDR and a block size that do."""
        found = check({**CALICO, "network.pods[0]": {"cidr": cidr, "node_mask": 28}})
        problem = found["pool-too-small", "network.pods[0].cidr"]
        assert "/24 or shorter" in problem.hint
        assert "block_size: " in problem.hint

    def test_a_smaller_block_makes_room(self, check: Check) -> None:
        """What the hint says is accepted."""
        assert check({**CALICO, "network.pods[0]": {"cidr": "10.244.0.0/25", "node_mask": 28}, "cni.pools.ipv4.block_size": 27}) == {}

    def test_flannel_has_no_blocks(self, check: Check) -> None:
        """Its ranges are the nodes' own."""
        assert check({"network.pods[0]": {"cidr": "10.244.0.0/26", "node_mask": 28}}) == {}


class TestEncapsulation:
    """What is no choice is told as such."""

    @pytest.mark.parametrize("word", ["IPIP", "always", "VXLANCrossSubnet"])
    def test_what_calico_cannot_do_in_both_families_is_no_choice(self, check: Check, word: str) -> None:
        """There is no IPIP for IPv6, and none without BGP."""
        problem = check({**CALICO, "cni.pools.ipv6.encapsulation": word})["not-in-choices", "cni.pools.ipv6.encapsulation"]
        assert "Always, CrossSubnet, Never" in problem.hint + problem.message


class TestPodsNeedARoute:
    """pods-need-a-route."""

    def test_a_pool_without_nat_is_warned_of(self, check: Check) -> None:
        """Replies find pods only where the network knows the way; it is no error."""
        problem = check({**CALICO, "cni.pools.ipv6.nat_outgoing": False})["pods-need-a-route", "cni.pools.ipv6.nat_outgoing"]
        assert "fd44::/56" in problem.message
        assert problem.severity.value == "warning"

    def test_a_pool_without_tunnels_is_warned_of(self, check: Check) -> None:
        """A router between the nodes does not know the pods; what to write instead is said."""
        problem = check({**CALICO, "cni.pools.ipv4.encapsulation": "Never"})["pods-need-a-route", "cni.pools.ipv4.encapsulation"]
        assert "CrossSubnet" in problem.hint
