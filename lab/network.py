"""The ranges and the bridge of a lab.

A lab has one /27 of 198.18.0.0/24 (RFC 2544: nobody's LAN) and one /64 of a ULA prefix (RFC 4193), both picked by its index.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from cluster.vocabulary.families import Address, Family, Network, family_of
from lab.command import command

IPV4_RANGE = IPv4Network("198.18.0.0/24")
IPV6_RANGE = IPv6Network("fd9c:5a17:e0b4::/48")
INDEXES = range(8)
MAX_HOSTS = 20
_FIRST_HOST = 10  # .1 is the bridge; 2-9 are left for whatever a test puts beside the hosts


@dataclass(frozen=True)
class LabNetwork:
    """What one lab uses: its bridge and a range a family."""

    bridge: str
    index: int

    @property
    def ipv4(self) -> IPv4Network:
        """The lab's /27."""
        return list(IPV4_RANGE.subnets(new_prefix=27))[self.index]

    @property
    def ipv6(self) -> IPv6Network:
        """The lab's /64."""
        return IPv6Network((int(IPV6_RANGE.network_address) + (self.index << 64), 64))

    def range(self, family: Family) -> Network:
        """The range of one family."""
        return self.ipv4 if family is Family.IPV4 else self.ipv6

    def gateway(self, family: Family) -> Address:
        """The bridge's address: the default gateway of the hosts (nothing is routed beyond it)."""
        return self.range(family)[1]

    def address(self, number: int, family: Family) -> Address:
        """The address of host `number` (from 1): the 11th of the /27, and `::11` (written as it reads) of the /64."""
        place = _FIRST_HOST + number
        return self.ipv4[place] if family is Family.IPV4 else self.ipv6[int(str(place), 16)]


def lab_network(lab: str, index: int) -> LabNetwork:
    """The network of the lab of that name and index."""
    return LabNetwork(bridge=f"six-{lab}", index=index)


def machine_networks(links: str) -> dict[str, list[Network]]:
    """Interface name -> the networks of its addresses, from the text of `ip -json address`."""
    return {
        link["ifname"]: [ip_network(f"{info['local']}/{info['prefixlen']}", strict=False) for info in link["addr_info"] if "local" in info]
        for link in json.loads(links or "[]")
        if "ifname" in link
    }


def free_index(lab: str, taken: Collection[int], wanted: int | None, used: dict[str, list[Network]]) -> int | None:
    """The index for `lab`: `wanted` if free, else the lowest that no other lab and no interface of the machine uses; None: all taken."""
    order = ([wanted] if wanted is not None else []) + [index for index in INDEXES if index != wanted]
    for index in order:
        network = lab_network(lab, index)
        theirs = [other for name, networks in used.items() if name != network.bridge for other in networks]
        if index not in taken and not any(_overlap(mine, other) for mine in (network.ipv4, network.ipv6) for other in theirs):
            return index
    return None


def _overlap(one: Network, other: Network) -> bool:
    return family_of(one) is family_of(other) and one.overlaps(other)


def read_machine_networks() -> dict[str, list[Network]]:
    """Interface name -> networks, of this machine now."""
    return machine_networks(command(["ip", "-json", "address"]))


def link_exists(name: str) -> bool:
    """Whether this machine has a link of that name."""
    return bool(command(["ip", "-json", "link", "show", "dev", name], may_fail=True).strip("[]{}, \n"))


def bridge_up(network: LabNetwork, management: Collection[Family]) -> None:
    """Bring the bridge to what it should be: up, with its address in each family of `management` and in no other.

    Without an IPv6 address the machine has no route to the hosts' IPv6; its link-local address is left out too.
    """
    name = network.bridge
    if not link_exists(name):
        # an address of its own: a bridge otherwise takes its lowest port's, and the hosts' neighbour entries go stale as ports come and go
        command(
            [
                "ip",
                "link",
                "add",
                name,
                "address",
                f"02:6c:61:62:00:{network.index:02x}",
                "type",
                "bridge",
                "stp_state",
                "0",
                "forward_delay",
                "0",
            ]
        )
    command(["ip", "link", "set", "dev", name, "addrgenmode", "eui64" if Family.IPV6 in management else "none"])
    command(["ip", "link", "set", "dev", name, "up"])
    wanted = {f"{network.gateway(family)}/{network.range(family).prefixlen}" for family in management}
    links = json.loads(command(["ip", "-json", "address", "show", "dev", name]))
    infos = [info for link in links for info in link.get("addr_info", ()) if "local" in info]
    found = {f"{info['local']}/{info['prefixlen']}" for info in infos if info["scope"] == "global" or Family.IPV6 not in management}
    for address in sorted(found - wanted):
        command(["ip", "address", "del", address, "dev", name])
    for address in sorted(wanted - found):
        command(["ip", "address", "add", address, "dev", name, *(["nodad"] if ":" in address else [])])


def bridge_ports(bridge: str) -> list[str]:
    """Links of this machine that are enslaved to `bridge`."""
    text = command(["ip", "-json", "link", "show", "master", bridge], may_fail=True)
    return [link["ifname"] for link in json.loads(text or "[]") if "ifname" in link]


def bridge_down(bridge: str) -> None:
    """Remove the bridge and what hangs on it; harmless when it is gone."""
    for port in bridge_ports(bridge):
        remove_link(port)
    remove_link(bridge)


def remove_link(name: str) -> None:
    """Remove a link; harmless when it is gone."""
    command(["ip", "link", "delete", name], may_fail=True)
