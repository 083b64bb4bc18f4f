"""Whether the kernel can translate addresses (part netfilter), from the evidence on a host without extra tools."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.facts.parsers.sections import value, values
from cluster.vocabulary.families import Family

_TABLES = {Family.IPV4: "ip", Family.IPV6: "ip6"}  # /proc/net/IP_tables_names
_NAT_CONFIG = {Family.IPV4: "CONFIG_IP_NF_NAT", Family.IPV6: "CONFIG_IP6_NF_NAT"}
_NAT_MODULE = {Family.IPV4: "iptable_nat", Family.IPV6: "ip6table_nat"}


@dataclass(frozen=True, slots=True)
class Netfilter:
    """NAT per family (a missing family is unknown), and nf_tables (None: unknown)."""

    nat: dict[Family, bool] = field(default_factory=dict)
    nftables: bool | None = None


def netfilter(text: str) -> Netfilter:
    """Part netfilter."""
    if value(text, "ipv6") is None:
        raise ValueError("the IPv6 setting is missing")
    config = dict(entry.partition("=")[::2] for entry in values(text, "config") if "=" in entry)
    modules = set(values(text, "module"))
    has_evidence = bool(values(text, "config") or values(text, "modules") or modules)

    def has(option: str, module: str) -> bool:
        # `m` in the configuration means built as a module; its package may not be installed
        return config.get(option) == "y" or module in modules

    nftables = value(text, "nft") == "works" or value(text, "symbol") == "nf_tables" or has("CONFIG_NF_TABLES", "nf_tables")
    nat: dict[Family, bool] = {}
    for family in Family:
        loaded = any("nat" in tables.split()[1:] for tables in values(text, "tables") if tables.split()[:1] == [_TABLES[family]])
        legacy = loaded or has(_NAT_CONFIG[family], _NAT_MODULE[family])
        by_nftables = nftables and (not config or f"CONFIG_NF_TABLES_{family.name}" in config)
        if family is Family.IPV6 and value(text, "ipv6") == "off":
            nat[family] = False
        elif legacy or by_nftables or has_evidence:
            nat[family] = legacy or by_nftables
    return Netfilter(nat, nftables if nftables or has_evidence else None)
