"""Kernels and links."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from cluster.facts.host_facts import DefaultRoute, HostFacts, Link
from cluster.rules.on_facts import check_facts
from cluster.vocabulary.families import Family
from cluster.vocabulary.problems import Severity
from cluster.vocabulary.spec import ClusterSpec

Make = Callable[..., Any]


def codes(spec: ClusterSpec, facts: HostFacts) -> list[str]:
    """Codes of the problems of one host."""
    return [problem.code for problem in check_facts(spec, {facts.host: facts}, bundle_architecture="amd64", bundle_size=1)]


def test_a_kernel_without_ipv6_nat_is_refused_where_ipv6_is_used(a_spec: Make, some_facts: Make) -> None:
    """kubernetes#133694. An IPv4-only cluster does not need IPv6 NAT."""
    facts = some_facts(1, nat={Family.IPV4: True, Family.IPV6: False})
    assert codes(a_spec(), facts) == ["no-nat"]
    assert codes(a_spec(stack="ipv4"), facts) == []


def test_unknown_nat_gives_a_warning(a_spec: Make, some_facts: Make) -> None:
    """Without evidence the result is unknown, not negative."""
    assert codes(a_spec(stack="ipv4"), some_facts(1, nat={}, nftables=None)) == ["nat-unknown"]


@pytest.mark.parametrize(("kernel", "mode", "expected"), [
    ((5, 12, 19), None, ["kernel-too-old-for-proxy"]),
    ((5, 13, 0), None, []),
    ((5, 12, 19), "iptables", []),
])  # fmt: skip
def test_nftables_mode_needs_kernel_5_13(
    a_spec: Make, some_facts: Make, kernel: tuple[int, int, int], mode: str | None, expected: list[str]
) -> None:
    """The hint has the other mode."""
    spec = a_spec(kubeadm={"kube_proxy": {"mode": mode}} if mode else {})
    assert codes(spec, some_facts(1, kernel=kernel)) == expected


def test_nftables_mode_needs_nf_tables(a_spec: Make, some_facts: Make) -> None:
    """A kernel with only the legacy tables cannot run this mode."""
    facts = some_facts(1, nftables=False)
    assert codes(a_spec(), facts) == ["kernel-too-old-for-proxy"]
    assert codes(a_spec(kubeadm={"kube_proxy": {"mode": "iptables"}}), facts) == []


def test_tables_that_an_older_nft_cannot_read_give_a_warning_in_nftables_mode(a_spec: Make, some_facts: Make) -> None:
    """kubernetes#136786. The version of nft in the image is not known, so this is no error. The iptables mode does not list such tables."""
    facts = some_facts(1, tables_for_newer_nft=("inet own",))
    (problem,) = check_facts(a_spec(), {facts.host: facts}, bundle_architecture="amd64", bundle_size=1)
    assert (problem.code, problem.severity) == ("tables-for-newer-nft", Severity.WARNING)
    assert "inet own" in problem.message
    assert codes(a_spec(kubeadm={"kube_proxy": {"mode": "iptables"}}), facts) == []
    assert codes(a_spec(), some_facts(1)) == []


def test_vxlan_over_ipv6_needs_kernel_4_19_1(a_spec: Make, some_facts: Make) -> None:
    """Only with flannel and IPv6."""
    facts = some_facts(1, kernel=(4, 19, 0))
    iptables = {"kube_proxy": {"mode": "iptables"}}
    assert codes(a_spec(kubeadm=iptables), facts) == ["kernel-too-old-for-vxlan"]
    assert codes(a_spec(kubeadm=iptables, stack="ipv4"), facts) == []
    assert codes(a_spec(kubeadm=iptables, cni={"kind": "none"}), facts) == []


@pytest.mark.parametrize(("mtu", "changes", "expected"), [
    (1349, {}, ["mtu-too-small"]),
    (1350, {}, []),
    (1280, {"cni": {"kind": "none"}}, []),
    (1279, {"cni": {"kind": "none"}}, ["mtu-too-small"]),
    (600, {"stack": "ipv4"}, []),
    (1500, {"stack": "ipv4", "cni": {"kind": "flannel", "mtu": 1450}}, []),
    (1500, {"stack": "ipv4", "cni": {"kind": "flannel", "mtu": 1451}}, ["mtu-too-small"]),
])  # fmt: skip
def test_links_carry_pod_packets_and_their_headers(
    a_spec: Make, some_facts: Make, mtu: int, changes: dict[str, Any], expected: list[str]
) -> None:
    """1280 for IPv6 (RFC 8200), and 50 or 70 bytes of VXLAN."""
    facts = some_facts(1)
    assert codes(a_spec(**changes), replace(facts, links=(replace(facts.links[0], mtu=mtu),))) == expected


@pytest.mark.parametrize(
    ("protocol", "accept_ra", "expected"), [("ra", 1, ["default-route-at-risk"]), ("ra", 2, []), ("ra", 0, []), ("static", 1, [])]
)
def test_a_default_route_from_router_advertisements_needs_accept_ra(
    a_spec: Make, some_facts: Make, protocol: str, accept_ra: int, expected: list[str]
) -> None:
    """With accept_ra 0 a daemon handles advertisements. By default the prepare step sets 2."""
    facts = some_facts(1, default_routes=(DefaultRoute(Family.IPV6, "eth0", ip_address("fe80::1"), protocol),))
    facts = replace(facts, links=(replace(facts.links[0], accept_ra=accept_ra),))
    assert codes(a_spec(prepare={"accept_ra": False}), facts) == expected
    assert codes(a_spec(), facts) == []


@pytest.mark.parametrize(
    ("flags", "accept_ra", "expected"),
    [
        ({"dynamic", "mngtmpaddr"}, 1, ["address-at-risk"]),
        ({"dynamic", "kernel_ra"}, 1, ["address-at-risk"]),
        ({"dynamic", "mngtmpaddr"}, 2, []),
        ({"dynamic", "mngtmpaddr"}, 0, []),
        ({"dynamic"}, 1, []),
        ({"mngtmpaddr"}, 1, []),
        (set(), 1, []),
    ],
)
def test_an_address_from_router_advertisements_needs_accept_ra(
    a_spec: Make, some_facts: Make, flags: set[str], accept_ra: int, expected: list[str]
) -> None:
    """systemd#27639: the default route is static, but the address is not. An address of DHCPv6 is dynamic too, and its client renews it."""
    facts = some_facts(1)
    addresses = (facts.links[0].addresses[0], replace(facts.links[0].addresses[1], flags=frozenset(flags)))
    facts = replace(facts, links=(replace(facts.links[0], addresses=addresses, accept_ra=accept_ra),))
    found = check_facts(a_spec(prepare={"accept_ra": False}), {"node-1": facts}, bundle_architecture="amd64", bundle_size=1)
    assert [problem.code for problem in found] == expected
    assert all("fd66::11 of eth0" in problem.message for problem in found)
    assert codes(a_spec(), facts) == []
    assert codes(a_spec(stack="ipv4", prepare={"accept_ra": False}), facts) == []


@pytest.mark.parametrize(
    ("modules", "cni", "expected"),
    [
        ({"vxlan": False}, "flannel", ["kernel-module-missing"]),
        ({"vxlan": False}, "calico", ["kernel-module-missing"]),
        ({"vxlan": False}, "none", []),
        ({"br_netfilter": False}, "flannel", ["kernel-module-missing"]),
        ({"br_netfilter": False}, "calico", []),
        ({"overlay": False}, "none", ["kernel-module-missing"]),
        ({"overlay": False, "vxlan": False}, "flannel", ["kernel-module-missing"] * 2),
        ({"overlay": None, "vxlan": None}, "flannel", ["kernel-module-unknown"]),
        ({"overlay": True, "vxlan": True, "br_netfilter": True}, "flannel", []),
    ],
)
def test_the_kernel_needs_modules(a_spec: Make, some_facts: Make, modules: dict[str, bool | None], cni: str, expected: list[str]) -> None:
    """flannel#1502: those of containerd and of the pod network in the file, before anything is changed."""
    assert codes(a_spec(cni={"kind": cni}), some_facts(1, kernel_modules=modules)) == expected


def test_calico_without_encapsulation_needs_no_vxlan(a_spec: Make, some_facts: Make) -> None:
    """Only the encapsulation uses the module."""
    pools = {family: {"encapsulation": "Never"} for family in ("ipv4", "ipv6")}
    assert codes(a_spec(cni={"kind": "calico", "pools": pools}), some_facts(1, kernel_modules={"vxlan": False})) == []


def test_a_module_that_modprobe_d_disables_is_named(a_spec: Make, some_facts: Make) -> None:
    """`install overlay /bin/false` of a hardening guide."""
    facts = some_facts(1, kernel_modules={"overlay": False}, modules_off=("overlay",))
    (problem,) = check_facts(a_spec(), {"node-1": facts}, bundle_architecture="amd64", bundle_size=1)
    assert problem.code == "kernel-module-missing"
    assert "/etc/modprobe.d" in problem.hint


@pytest.mark.parametrize(
    ("where", "on_link", "expected"),
    [
        (("default",), None, "new links"),
        (("all",), None, "all links"),
        ((), "lo", "lo"),
        ((), "eth0", "eth0"),
        ((), "wlan0", None),
        ((), None, None),
    ],
)
def test_ipv6_must_not_be_disabled(
    a_spec: Make, some_facts: Make, where: tuple[str, ...], on_link: str | None, expected: str | None
) -> None:
    """containernetworking/cni#531: on the links of pods, on loopback, and on the link of the node. Another link does not matter."""
    facts = some_facts(1, ipv6_disabled=where)
    others = (Link("lo", 65536, None, True, "loopback"), Link("wlan0", 1500, None, True))
    facts = replace(facts, links=tuple(replace(link, ipv6_disabled=link.name == on_link) for link in (*facts.links, *others)))
    found = check_facts(a_spec(), {"node-1": facts}, bundle_architecture="amd64", bundle_size=1)
    assert [problem.code for problem in found] == (["ipv6-disabled"] if expected else [])
    assert all(expected in problem.message for problem in found if expected)
    assert codes(a_spec(stack="ipv4"), facts) == []
