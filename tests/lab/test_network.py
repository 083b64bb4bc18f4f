"""The ranges of labs."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest

from cluster.vocabulary.families import Family
from lab.network import INDEXES, MAX_HOSTS, free_index, lab_network, machine_networks

ALL = [lab_network("x", index) for index in INDEXES]


def test_no_two_labs_share_an_address() -> None:
    """The ranges of all indexes are disjoint, in both families, and lie where nobody's LAN is."""
    for family, whole in ((Family.IPV4, ip_network("198.18.0.0/24")), (Family.IPV6, ip_network("fc00::/7"))):
        ranges = [network.range(family) for network in ALL]
        assert all(one.subnet_of(whole) for one in ranges)  # type: ignore[arg-type]
        assert not [(one, other) for one in ranges for other in ranges if one is not other and one.overlaps(other)]


def test_a_lab_has_a_27_and_a_64() -> None:
    """The second lab's ranges, bridge addresses and first host, by hand."""
    network = lab_network("two", 1)
    assert (network.ipv4, network.ipv6) == (IPv4Network("198.18.0.32/27"), IPv6Network("fd9c:5a17:e0b4:1::/64"))
    assert (network.gateway(Family.IPV4), network.gateway(Family.IPV6)) == (IPv4Address("198.18.0.33"), IPv6Address("fd9c:5a17:e0b4:1::1"))
    assert network.address(1, Family.IPV4) == IPv4Address("198.18.0.43")
    assert network.address(1, Family.IPV6) == IPv6Address("fd9c:5a17:e0b4:1::11")
    assert network.bridge == "six-two"


@pytest.mark.parametrize("family", list(Family))
def test_every_host_has_an_address_of_its_own_in_the_range(family: Family) -> None:
    """Up to the largest number of hosts, no address repeats, is the bridge's or the broadcast address."""
    for network in ALL:
        addresses = [network.address(number, family) for number in range(1, MAX_HOSTS + 1)]
        taken = {network.gateway(family), network.range(family).network_address, network.range(family).broadcast_address}
        assert len(set(addresses)) == MAX_HOSTS
        assert all(address in network.range(family) and address not in taken for address in addresses)


def test_a_lab_keeps_its_index_while_nobody_else_has_it() -> None:
    """The wanted index wins over the lowest free one, and gives way to another lab's claim."""
    assert free_index("x", taken=[0], wanted=3, used={}) == 3
    assert free_index("x", taken=[3], wanted=3, used={}) == 0
    assert free_index("x", taken=list(INDEXES), wanted=None, used={}) is None


def test_a_range_that_the_machine_uses_elsewhere_is_left_alone() -> None:
    """An interface within a lab's IPv4 or IPv6 range bars its index; the lab's own bridge does not."""
    used = {"eth1": [ip_network("198.18.0.8/30")], "wg0": [ip_network("fd9c:5a17:e0b4:1::/80")]}
    assert free_index("x", taken=[], wanted=None, used=used) == 2
    assert free_index("x", taken=[], wanted=None, used={"six-x": [ip_network("198.18.0.0/27")]}) == 0
    assert free_index("x", taken=[], wanted=None, used={"lan": [ip_network("198.18.0.0/15")]}) is None


def test_the_machines_networks_are_read_from_ip() -> None:
    """`ip -json address` gives addresses with their prefix; links without any have none."""
    text = json.dumps(
        [
            {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}, {"local": "::1", "prefixlen": 128}]},
            {"ifname": "eth0", "addr_info": [{"local": "192.0.2.2", "prefixlen": 24}]},
            {"ifname": "dummy0", "addr_info": []},
        ]
    )
    assert machine_networks(text) == {
        "lo": [ip_network("127.0.0.0/8"), ip_network("::1/128")],
        "eth0": [ip_network("192.0.2.0/24")],
        "dummy0": [],
    }
