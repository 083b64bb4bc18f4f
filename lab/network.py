"""The ranges and the bridge of a lab.

A lab has one /27 of 198.18.0.0/24 (RFC 2544, not used in LANs) and one /64 of a ULA prefix (RFC 4193). Its index selects both.
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
_FIRST_HOST = 10  # .1 is the bridge; tests may use 2 to 9


@dataclass(frozen=True)
class LabNetwork:
    """The network of one lab: its bridge and a range for each family."""

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
        """The address of the bridge, which is the default gateway of the hosts (it routes nothing to other networks)."""
        return self.range(family)[1]

    def address(self, number: int, family: Family) -> Address:
        """The address of host `number` (from 1). Host 1 has number 11 of the /27, and `::11` of the /64 (the same digits, read as hexadecimal)."""
        place = _FIRST_HOST + number
        return self.ipv4[place] if family is Family.IPV4 else self.ipv6[int(str(place), 16)]


def lab_network(lab: str, index: int) -> LabNetwork:
    """The network of the lab with this name and index."""
    return LabNetwork(bridge=f"six-{lab}", index=index)


def machine_networks(links: str) -> dict[str, list[Network]]:
    """Interface name -> networks of its addresses, from the output of `ip -json address`."""
    return {
        link["ifname"]: [ip_network(f"{info['local']}/{info['prefixlen']}", strict=False) for info in link["addr_info"] if "local" in info]
        for link in json.loads(links or "[]")
        if "ifname" in link
    }


def free_index(lab: str, taken: Collection[int], wanted: int | None, used: dict[str, list[Network]]) -> int | None:
    """The index for `lab`: `wanted` if free, else the lowest that no other lab and no interface of the machine uses; None when all are in use."""
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
    """Interface name -> networks, of this machine."""
    return machine_networks(command(["ip", "-json", "address"]))


def link_exists(name: str) -> bool:
    """Whether this machine has a link with this name."""
    return bool(command(["ip", "-json", "link", "show", "dev", name], may_fail=True).strip("[]{}, \n"))


def bridge_up(network: LabNetwork, management: Collection[Family]) -> None:
    """Create or change the bridge: up, with an address in each family of `management` and in no other.

    Without IPv6 in `management`, the bridge gets no link-local address either, so that the machine has no route to the hosts over IPv6.
    """
    name = network.bridge
    if not link_exists(name):
        # a fixed address: otherwise a bridge uses that of its lowest port, and the hosts' neighbour entries become stale when ports change
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
    """The links of this machine that are ports of `bridge`."""
    text = command(["ip", "-json", "link", "show", "master", bridge], may_fail=True)
    return [link["ifname"] for link in json.loads(text or "[]") if "ifname" in link]


def bridge_down(bridge: str) -> None:
    """Remove the bridge and its ports. Safe when the bridge does not exist."""
    for port in bridge_ports(bridge):
        remove_link(port)
    remove_link(bridge)


def remove_link(name: str) -> None:
    """Remove a link. Safe when the link does not exist."""
    command(["ip", "link", "delete", name], may_fail=True)
