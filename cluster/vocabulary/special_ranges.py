"""Ranges whose addresses no host, pod or service can use."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from cluster.vocabulary.families import Address, Network

# range -> its kind (IANA special-purpose registries)
_UNUSABLE: dict[Network, str] = {
    ip_network("0.0.0.0/8"): "unspecified",
    ip_network("127.0.0.0/8"): "loopback",
    ip_network("169.254.0.0/16"): "link-local",
    ip_network("224.0.0.0/4"): "multicast",
    ip_network("255.255.255.255/32"): "broadcast",
    ip_network("::/128"): "unspecified",
    ip_network("::1/128"): "loopback",
    # Go converts such an address to IPv4
    ip_network("::ffff:0:0/96"): "IPv4-mapped",
    ip_network("fe80::/10"): "link-local",
    ip_network("ff00::/8"): "multicast",
}


def unusable(value: Address | Network) -> str | None:
    """The kind of the unusable range that contains this address or overlaps this network; None when the value is usable."""
    network = ip_network(value) if not isinstance(value, IPv4Network | IPv6Network) else value
    return next((word for special, word in _UNUSABLE.items() if special.version == network.version and special.overlaps(network)), None)
