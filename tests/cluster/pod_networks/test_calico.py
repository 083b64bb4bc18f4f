"""Calico's settings and rules."""

from __future__ import annotations

import re

import pytest

from cluster.pod_networks.calico import Calico
from tests.cluster.pod_networks.specs import calico_spec_of as spec_of
from tests.cluster.rules.conftest import Check

CALICO = Calico()
KIND = {"cni.kind": "calico"}


@pytest.mark.parametrize(
    ("mode", "cidrs", "ip", "ip6"),
    [
        ("ipv4", ["10.244.0.0/16"], "autodetect", "none"),
        ("dual-stack", ["10.244.0.0/16", "fd44::/56"], "autodetect", "autodetect"),
        ("dual-stack-ipv6-first", ["fd44::/56", "10.244.0.0/16"], "autodetect", "autodetect"),
        ("ipv6", ["fd44::/56"], "none", "autodetect"),
    ],
)
def test_only_families_in_use_are_enabled(mode: str, cidrs: list[str], ip: str, ip6: str) -> None:
    """One pool per family in use. Without IPv4 the router id is a hash."""
    spec = spec_of(mode)
    values = CALICO.environment(spec)
    assert [pool["cidr"] for pool in CALICO.pools(spec)] == cidrs
    assert (values["IP"], values["IP6"], values["FELIX_IPV6SUPPORT"]) == (ip, ip6, str(ip6 != "none").lower())
    assert values.get("CALICO_ROUTER_ID") == ("hash" if ip == "none" else None)
    ipam = CALICO.cni_config(spec)["plugins"][0]["ipam"]
    assert (ipam["assign_ipv4"], ipam["assign_ipv6"]) == (str(ip != "none").lower(), str(ip6 != "none").lower())


def test_pools_are_settings() -> None:
    """Block size, NAT and encapsulation of each family. Without tunnels Felix adds the routes itself."""
    cni = {"pools": {"ipv4": {"block_size": 24, "encapsulation": "CrossSubnet"}, "ipv6": {"nat_outgoing": False, "encapsulation": "Never"}}}
    spec = spec_of("dual-stack", cni)
    assert [(pool["block_size"], pool["nat_outgoing"], pool["encapsulation"]) for pool in CALICO.pools(spec)] == [
        (24, True, "CrossSubnet"),
        (122, False, "Never"),
    ]
    assert CALICO.environment(spec)["FELIX_PROGRAMCLUSTERROUTES"] == "Enabled"
    assert "FELIX_PROGRAMCLUSTERROUTES" not in CALICO.environment(spec_of("dual-stack"))


def test_port_and_mtu_are_settings() -> None:
    """The pod MTU from the file for both tunnels. Without it felix detects the MTU, and pods wait for the result."""
    values = CALICO.environment(spec_of("dual-stack", {"vxlan_port": 8472, "mtu": 1400}))
    assert (values["FELIX_VXLANPORT"], values["FELIX_VXLANMTU"], values["FELIX_VXLANMTUV6"]) == ("8472", "1400", "1400")
    plugin = CALICO.cni_config(spec_of("dual-stack", {"mtu": 1400}))["plugins"][0]
    assert (plugin["mtu"], plugin["require_mtu_file"]) == (1400, False)
    found = CALICO.environment(spec_of("dual-stack"))
    assert found["FELIX_VXLANPORT"] == "4789"
    assert "FELIX_VXLANMTU" not in found
    plugin = CALICO.cni_config(spec_of("dual-stack"))["plugins"][0]
    assert (plugin["mtu"], plugin["require_mtu_file"]) == (0, True)


@pytest.mark.parametrize(
    ("link", "counts"), [("eth0", True), ("enp1s0", True), ("host0", True), ("bond0", True), ("cni0", False), ("vxlan.calico", False)]
)
def test_the_mtu_comes_from_real_links(link: str, counts: bool) -> None:
    """Including host0 of a container, without links of the pod network."""
    assert bool(re.search(CALICO.environment(spec_of("ipv4"))["FELIX_MTUIFACEPATTERN"], link)) == counts


def test_interfaces_of_the_file_determine_the_mtu() -> None:
    """If every host has an interface in the file."""
    host = {"name": "n1", "role": "control-plane", "ssh": {"address": "198.18.0.11"}, "interface": "br-ex.5"}
    assert CALICO.environment(spec_of("ipv4", hosts=[host]))["FELIX_MTUIFACEPATTERN"] == r"^(br\-ex\.5)$"


def test_the_packet_filter_is_the_one_of_kube_proxy() -> None:
    """nftables by default, iptables if the file has it."""
    assert CALICO.environment(spec_of("ipv4"))["FELIX_NFTABLESMODE"] == "Enabled"
    assert CALICO.environment(spec_of("ipv4", kubeadm={"kube_proxy": {"mode": "iptables"}}))["FELIX_NFTABLESMODE"] == "Disabled"


class TestSettingUnused:
    """cni-setting-unused."""

    def test_a_pool_of_an_unused_family_is_refused(self, check: Check) -> None:
        """In a single-stack cluster."""
        cni = {"kind": "calico", "pools": {"ipv6": {"block_size": 122}}}
        assert ("cni-setting-unused", "cni.pools.ipv6") in check({"cni": cni}, "ipv4")
        assert check({"cni": cni}, "ipv6") == {}


class TestBlockSizeOutOfRange:
    """block-size-out-of-range."""

    @pytest.mark.parametrize(("family", "size"), [("ipv4", 33), ("ipv4", 116), ("ipv6", 26), ("ipv6", 115)])
    def test_a_size_of_the_other_family_is_refused(self, check: Check, family: str, size: int) -> None:
        """Calico's limits, with its default as the hint."""
        problem = check({**KIND, f"cni.pools.{family}.block_size": size})["block-size-out-of-range", f"cni.pools.{family}.block_size"]
        assert f"/{size}" in problem.message

    @pytest.mark.parametrize(("family", "size"), [("ipv4", 20), ("ipv4", 32), ("ipv6", 116), ("ipv6", 128)])
    def test_the_limits_are_accepted(self, check: Check, family: str, size: int) -> None:
        """/20 to /32 and /116 to /128."""
        assert "block-size-out-of-range" not in {code for code, _ in check({**KIND, f"cni.pools.{family}.block_size": size})}


class TestPoolTooSmall:
    """pool-too-small."""

    @pytest.mark.parametrize("cidr", ["10.244.0.0/27", "10.244.0.0/26", "10.244.0.0/25"])
    def test_a_pool_with_fewer_blocks_than_hosts_is_refused(self, check: Check, cidr: str) -> None:
        """None, one and two blocks of /26 for three hosts; the hint gives a pod CIDR and a block size that do."""
        found = check({**KIND, "network.pods[0]": {"cidr": cidr, "node_mask": 28}})
        problem = found["pool-too-small", "network.pods[0].cidr"]
        assert "/24 or shorter" in problem.hint
        assert "block_size: " in problem.hint

    def test_a_smaller_block_is_accepted(self, check: Check) -> None:
        """The value of the hint is accepted."""
        changes = {**KIND, "network.pods[0]": {"cidr": "10.244.0.0/25", "node_mask": 28}, "cni.pools.ipv4.block_size": 27}
        assert "pool-too-small" not in {code for code, _ in check(changes)}

    def test_flannel_has_no_blocks(self, check: Check) -> None:
        """flannel uses the ranges of the nodes."""
        assert "pool-too-small" not in {code for code, _ in check({"network.pods[0]": {"cidr": "10.244.0.0/26", "node_mask": 28}})}


class TestEncapsulation:
    """Unsupported encapsulations."""

    @pytest.mark.parametrize("word", ["IPIP", "always", "VXLANCrossSubnet"])
    def test_ipip_is_not_a_choice(self, check: Check, word: str) -> None:
        """IPIP does not support IPv6 and needs BGP."""
        problem = check({**KIND, "cni.pools.ipv6.encapsulation": word})["not-in-choices", "cni.pools.ipv6.encapsulation"]
        assert "Always, CrossSubnet, Never" in problem.hint + problem.message


class TestPodsNeedARoute:
    """pods-need-a-route."""

    def test_a_pool_without_nat_gives_a_warning(self, check: Check) -> None:
        """Replies find pods only where the network knows the way; it is no error."""
        problem = check({**KIND, "cni.pools.ipv6.nat_outgoing": False})["pods-need-a-route", "cni.pools.ipv6.nat_outgoing"]
        assert "fd44::/56" in problem.message
        assert problem.severity.value == "warning"

    def test_a_pool_without_encapsulation_gives_a_warning(self, check: Check) -> None:
        """A router between the nodes has no routes to the pods. The hint has the alternative."""
        problem = check({**KIND, "cni.pools.ipv4.encapsulation": "Never"})["pods-need-a-route", "cni.pools.ipv4.encapsulation"]
        assert "CrossSubnet" in problem.hint
