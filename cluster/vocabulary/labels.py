"""Encode node addresses as node labels and decode them. One equality selector finds a node from any form of its address.

A label value cannot contain colons. An IPv6 address is encoded as 32 hexadecimal digits, which is lossless and unique.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from cluster.vocabulary.families import Address, Family, family_of
from cluster.vocabulary.spec import ClusterSpec, Host, parse_address

PREFIX = "node.sixstack.io/"
KEYS = {Family.IPV4: PREFIX + "ipv4", Family.IPV6: PREFIX + "ipv6"}

CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"  # kubeadm sets it

# labels that TKEStack's tools use to find the node of a machine; its proposal names the second half `till`, its code `tail`
TKESTACK_IPV4 = "platform.tkestack.io/machine-ip"
TKESTACK_HEAD = "platform.tkestack.io/machine-ipv6-head"
TKESTACK_TAILS = ("platform.tkestack.io/machine-ipv6-tail", "platform.tkestack.io/machine-ipv6-till")
TKESTACK_KEYS = (TKESTACK_IPV4, TKESTACK_HEAD, *TKESTACK_TAILS)


def address_labels(addresses: Iterable[Address]) -> dict[str, str]:
    """The labels of a node with these addresses. ValueError for two addresses of one family or an IPv4-mapped address."""
    labels: dict[str, str] = {}
    for address in addresses:
        key = KEYS[family_of(address)]
        if key in labels:
            raise ValueError(f"a node has one address per family, but {address} is a second one")
        labels[key] = _encoded(address)
    return labels


def tkestack_labels(addresses: Iterable[Address]) -> dict[str, str]:
    """The labels that TKEStack's tools use to find the node with these addresses.

    An IPv6 address is split in the middle of its text, and `a` replaces `:`. Two addresses can have the same labels (fd00::1:1:1 and
    fd00::1a1:1), so sixstack itself never finds a node by these labels.
    """
    labels: dict[str, str] = {}
    for address in addresses:
        text = str(address)
        if family_of(address) is Family.IPV4:
            labels[TKESTACK_IPV4] = text
        else:
            halves = (text[: len(text) // 2], text[len(text) // 2 :])
            head, tail = (half.replace(":", "a") for half in halves)
            labels |= {TKESTACK_HEAD: head} | dict.fromkeys(TKESTACK_TAILS, tail)
    return labels


def node_labels(spec: ClusterSpec, host: Host) -> dict[str, str]:
    """The labels of the node of a host: its addresses, TKEStack's labels if the file enables them, and the labels from the file."""
    others = tkestack_labels(host.addresses) if spec.tkestack_labels else {}
    return {**address_labels(host.addresses), **others, **host.labels}


def selector_for(address: Address) -> str:
    """The label selector that finds the node of an address."""
    return f"{KEYS[family_of(address)]}={_encoded(address)}"


def parse_node_address(text: str) -> Address:
    """Parse an address with brackets, upper case, leading zeros in IPv6 groups, surrounding spaces, or as the 32 digits of a label.

    An IPv4-mapped address becomes its IPv4 address. ValueError for anything else, including a zone.
    """
    bare = text.strip()
    if bare.startswith("[") and bare.endswith("]"):
        bare = bare[1:-1]
    if len(bare) == 32 and all(c in "0123456789abcdefABCDEF" for c in bare):
        return IPv6Address(int(bare, 16))
    address = parse_address(bare)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _encoded(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None or address.scope_id is not None:
        raise ValueError(f"{address} cannot be a node address")
    return f"{int(address):032x}"
