"""Parts links, routes, kernel-settings, resolver and sockets."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from cluster.facts.host_facts import Route, Socket
from cluster.facts.parsers.network import default_routes, kernel_settings, links, resolver, routes
from cluster.facts.parsers.sockets import sockets
from cluster.kubeadm.kernel_settings import sysctls
from cluster.vocabulary.families import Family
from tests.cluster.conftest import _spec


def test_flags_of_addresses_are_kept() -> None:
    """`ip -j` prints each flag as a key with value true."""
    text = json.dumps(
        [
            {},
            {
                "ifname": "eth0",
                "mtu": 1500,
                "flags": ["UP"],
                "link_type": "ether",
                "address": "52:54:00:00:00:01",
                "addr_info": [
                    {},
                    {"family": "inet6", "local": "fd66::1", "prefixlen": 64, "scope": "global", "tentative": True, "dadfailed": True},
                    {"family": "inet6", "local": "fd66::2", "prefixlen": 64, "scope": "global", "dynamic": True, "mngtmpaddr": True},
                ],
            },
        ]
    )
    (link,) = links(text)
    assert [held.stable for held in link.addresses] == [False, True]
    assert link.addresses[0].flags == {"tentative", "dadfailed"}
    assert (link.mac, link.up, link.kind) == ("52:54:00:00:00:01", True, "")


def test_all_kinds_of_default_routes_are_read() -> None:
    """Through a gateway, without one, to several next hops, and IPv4 through an IPv6 gateway (RFC 5549)."""
    ipv4 = [
        {"dst": "default", "gateway": "10.0.0.1", "dev": "eth0", "protocol": "dhcp"},
        {"dst": "default", "dev": "ppp0", "scope": "link"},
        {"dst": "default", "via": {"family": "inet6", "host": "fe80::1"}, "dev": "eth1", "protocol": "static"},
    ]
    ipv6 = [
        {"dst": "default", "protocol": "ra", "nexthops": [{"gateway": "fe80::1", "dev": "eth0"}, {"gateway": "fe80::2", "dev": "eth1"}]}
    ]
    found = default_routes(f"ipv4 {json.dumps(ipv4)}\nipv6 {json.dumps(ipv6)}")
    assert [(route.family, route.interface, str(route.gateway), route.protocol) for route in found] == [
        (Family.IPV4, "eth0", "10.0.0.1", "dhcp"),
        (Family.IPV4, "ppp0", "None", ""),
        (Family.IPV4, "eth1", "fe80::1", "static"),
        (Family.IPV6, "eth0", "fe80::1", "ra"),
        (Family.IPV6, "eth1", "fe80::2", "ra"),
    ]
    assert default_routes("ipv4 \nipv6 []") == ()


def test_other_routes_are_read_with_their_kinds() -> None:
    """Not the link-local ones, which every link has, and not lines that nothing can be made of."""
    found = routes(
        "ipv4 []\nroute-ipv4 10.1.0.0/16 via 198.18.0.9 dev eth0 proto static\nroute-ipv4 10.2.0.5 dev wg0 scope link\n"
        "route-ipv4 blackhole 10.3.0.0/26 proto 80\nroute-ipv4 10.4.0.0/16 via inet6 fe80::1 dev eth0\nroute-ipv4 10.5.0.0/16 proto static\n"
        "route-ipv4 10.6.0.1/16 dev eth0\nroute-ipv4 unreachable\nroute-ipv6 fe80::/64 dev eth0 proto kernel metric 256\n"
        "route-ipv6 unreachable fd12::/48 dev lo metric 1024 error -113\nroute-ipv6 fd66::/64 dev eth0 proto ra\n"
    )
    assert found == (
        Route(ip_network("10.1.0.0/16"), "eth0", ip_address("198.18.0.9")),
        Route(ip_network("10.2.0.5/32"), "wg0"),
        Route(ip_network("10.3.0.0/26"), "", None, "blackhole"),
        Route(ip_network("10.4.0.0/16"), "eth0"),
        Route(ip_network("10.5.0.0/16"), ""),
        Route(ip_network("fd12::/48"), "lo", None, "unreachable"),
        Route(ip_network("fd66::/64"), "eth0"),
    )


def test_links_without_ipv6_are_read() -> None:
    """disable_ipv6 of each link, and of all and new ones."""
    settings = kernel_settings(
        "ipv4/conf/all/forwarding 1\nipv6/conf/lo/disable_ipv6 1\nipv6/conf/default/disable_ipv6 1\nipv6/conf/eth0/disable_ipv6 0"
    )
    assert settings.ipv6_disabled == {"lo", "default"}


def test_the_name_servers_of_each_file_are_read() -> None:
    """The default one may be missing."""
    found = resolver(
        "default /run/systemd/resolve/resolv.conf\nfile /run/systemd/resolve/resolv.conf\nnameserver 9.9.9.9\nfile /etc/resolv.conf\nnameserver 127.0.0.53"
    )
    assert found.file == "/run/systemd/resolve/resolv.conf"
    assert found.nameservers == {
        "/run/systemd/resolve/resolv.conf": (ip_address("9.9.9.9"),),
        "/etc/resolv.conf": (ip_address("127.0.0.53"),),
    }
    assert resolver("default /etc/resolv.conf").nameservers == {}


def test_an_address_of_an_advertisement_is_recognised_by_its_protocol() -> None:
    """Kernels since 5.18 print it."""
    entry = {"local": "fd66::2", "prefixlen": 64, "scope": "global", "dynamic": True, "protocol": "kernel_ra"}
    (link,) = links(json.dumps([{"ifname": "eth0", "addr_info": [entry]}]))
    assert link.addresses[0].from_router_advertisements


def test_forwarding_needs_both_settings() -> None:
    """With conf.all alone, new links have no forwarding (kubeone#2778). A kernel without IPv6 has no setting."""
    settings = kernel_settings("ipv4/conf/all/forwarding 1\nipv4/conf/default/forwarding 0\nipv6/conf/eth0.100/accept_ra 2")
    assert settings.forwarding == {Family.IPV4: False}
    assert settings.accept_ra == {"eth0.100": 2}


def test_name_servers_lose_their_zone() -> None:
    """fe80::1%eth0 is valid only on the host."""
    found = resolver("default /etc/resolv.conf\nfile /etc/resolv.conf\nnameserver fe80::1%eth0\nnameserver 9.9.9.9")
    assert found.nameservers == {"/etc/resolv.conf": (ip_address("fe80::1"), ip_address("9.9.9.9"))}


@pytest.mark.parametrize(
    ("line", "socket"),
    [
        ('tcp LISTEN 0 4096 *:6443 *:* users:(("kube-apiserver",pid=9,fd=3))', Socket("tcp", None, None, 6443, "kube-apiserver")),
        ("tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*", Socket("tcp", None, Family.IPV4, 22, "")),
        ("tcp LISTEN 0 128 [::]:22 [::]:*", Socket("tcp", None, Family.IPV6, 22, "")),
        ("tcp LISTEN 0 128 [::ffff:127.0.0.1]:9 *:*", Socket("tcp", ip_address("127.0.0.1"), Family.IPV4, 9, "")),
        ('udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd-resolve",pid=1,fd=1))', Socket("udp", ip_address("127.0.0.53"), Family.IPV4, 53, "systemd-resolve")),
        ("udp UNCONN 0 0 [fe80::1]%eth0:546 [::]:*", Socket("udp", ip_address("fe80::1"), Family.IPV6, 546, "")),
        ("proc-tcp 0100007F:1F90 0A", Socket("tcp", ip_address("127.0.0.1"), Family.IPV4, 8080, "")),
        ("proc-udp6 00000000000000000000000001000000:0035 07", Socket("udp", ip_address("::1"), Family.IPV6, 53, "")),
        ("proc-tcp6 00000000000000000000000000000000:192B 0A", Socket("tcp", None, None, 6443, "")),
    ],
)  # fmt: skip
def test_listening_sockets_are_read_in_every_notation(line: str, socket: Socket) -> None:
    """From ss, and from the tables of the kernel."""
    assert sockets(line) == (socket,)


def test_connections_are_no_listeners() -> None:
    """The tables of the kernel contain both."""
    assert sockets("proc-tcp 0100007F:1F90 01\nproc-udp 0100007F:1F90 01") == ()


@pytest.mark.parametrize("stack", ["ipv4", "dual-stack", "ipv6"])
def test_every_kernel_setting_of_a_cluster_is_read(stack: str) -> None:
    """The facts script prints each of them, and the parser names it as the cluster does."""
    printed = (Path(__file__).parents[4] / "templates" / "facts" / "kernel-settings.sh.j2").read_text(encoding="utf-8")
    names = sysctls(_spec(stack=stack))
    assert not [name for name in names if f" {name.removeprefix('net.').replace('.', '/')}" not in printed]
    text = "\n".join(f"{name.removeprefix('net.').replace('.', '/')} 1" for name in names)
    assert kernel_settings(f"ipv4/conf/all/forwarding 1\n{text}\nipv6/conf/eth0/accept_ra 2").values.items() >= names.items()
