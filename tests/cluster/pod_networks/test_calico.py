"""Calico's settings, as its programs are told them."""

from __future__ import annotations

import re

import pytest

from cluster.pod_networks.calico import Calico
from tests.cluster.pod_networks.specs import calico_spec_of as spec_of

CALICO = Calico()


@pytest.mark.parametrize(
    ("mode", "cidrs", "ip", "ip6"),
    [
        ("ipv4", ["10.244.0.0/16"], "autodetect", "none"),
        ("dual-stack", ["10.244.0.0/16", "fd44::/56"], "autodetect", "autodetect"),
        ("dual-stack-ipv6-first", ["fd44::/56", "10.244.0.0/16"], "autodetect", "autodetect"),
        ("ipv6", ["fd44::/56"], "none", "autodetect"),
    ],
)
def test_only_the_families_in_use_are_on(mode: str, cidrs: list[str], ip: str, ip6: str) -> None:
    """A pool a family, addresses of no other; without IPv4 there is no router id to take from it."""
    spec = spec_of(mode)
    values = CALICO.environment(spec)
    assert [pool["cidr"] for pool in CALICO.pools(spec)] == cidrs
    assert (values["IP"], values["IP6"], values["FELIX_IPV6SUPPORT"]) == (ip, ip6, str(ip6 != "none").lower())
    assert values.get("CALICO_ROUTER_ID") == ("hash" if ip == "none" else None)
    ipam = CALICO.cni_config(spec)["plugins"][0]["ipam"]
    assert (ipam["assign_ipv4"], ipam["assign_ipv6"]) == (str(ip != "none").lower(), str(ip6 != "none").lower())


def test_pools_are_settings() -> None:
    """Block size, NAT and encapsulation of each family; without tunnels Felix itself makes the routes that BGP would."""
    cni = {"pools": {"ipv4": {"block_size": 24, "encapsulation": "CrossSubnet"}, "ipv6": {"nat_outgoing": False, "encapsulation": "Never"}}}
    spec = spec_of("dual-stack", cni)
    assert [(pool["block_size"], pool["nat_outgoing"], pool["encapsulation"]) for pool in CALICO.pools(spec)] == [
        (24, True, "CrossSubnet"),
        (122, False, "Never"),
    ]
    assert CALICO.environment(spec)["FELIX_PROGRAMCLUSTERROUTES"] == "Enabled"
    assert "FELIX_PROGRAMCLUSTERROUTES" not in CALICO.environment(spec_of("dual-stack"))


def test_port_and_mtu_are_settings() -> None:
    """Pods' MTU as the file says it, for both tunnels; without it felix looks, and pods wait for what it finds."""
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
def test_the_mtu_is_that_of_real_links(link: str, counts: bool) -> None:
    """Of a container's host0 too, and of no link of a pod network's own."""
    assert bool(re.search(CALICO.environment(spec_of("ipv4"))["FELIX_MTUIFACEPATTERN"], link)) == counts


def test_the_links_that_the_file_names_are_the_ones_that_count() -> None:
    """When it names one for every host."""
    host = {"name": "n1", "role": "control-plane", "ssh": {"address": "198.18.0.11"}, "interface": "br-ex.5"}
    assert CALICO.environment(spec_of("ipv4", hosts=[host]))["FELIX_MTUIFACEPATTERN"] == r"^(br\-ex\.5)$"


def test_rules_are_written_by_the_program_that_kube_proxy_uses() -> None:
    """nftables by default, iptables when the file says so."""
    assert CALICO.environment(spec_of("ipv4"))["FELIX_NFTABLESMODE"] == "Enabled"
    assert CALICO.environment(spec_of("ipv4", kubeadm={"kube_proxy": {"mode": "iptables"}}))["FELIX_NFTABLESMODE"] == "Disabled"
