"""Firewalls that drop packets of other hosts: parts ufw, firewalld, nftables and iptables, each from what the program itself prints."""

from __future__ import annotations

from cluster.fact_parsers.firewall.firewalld import firewalld
from cluster.fact_parsers.firewall.iptables import iptables
from cluster.fact_parsers.firewall.nftables import nftables
from cluster.fact_parsers.firewall.ufw import ufw
from cluster.facts import FirewallRule

__all__ = ["firewalld", "iptables", "nftables", "of_one_host", "ufw"]


def of_one_host(
    *,
    ufw: tuple[FirewallRule, ...],
    firewalld: tuple[FirewallRule, ...],
    nftables: tuple[FirewallRule, ...],
    iptables: tuple[FirewallRule, ...],
) -> tuple[FirewallRule, ...]:
    """Each firewall told once, under the name of the program that its owner changes it with: ufw and firewalld work by nftables or iptables."""
    by_ufw = ("ip filter INPUT", "ip6 filter INPUT") if ufw else ()
    by_firewalld = ("inet firewalld", "ip firewalld", "ip6 firewalld") if firewalld else ()
    beneath = by_ufw + by_firewalld
    return (*ufw, *firewalld, *(rule for rule in (*nftables, *iptables) if not rule.detail.startswith(beneath)))
