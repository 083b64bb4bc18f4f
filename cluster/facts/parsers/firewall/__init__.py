"""Firewalls that drop packets of other hosts: parts ufw, firewalld, nftables and iptables, each from the output of its program."""

from __future__ import annotations

from dataclasses import replace

from cluster.facts.host_facts import FirewallRule
from cluster.facts.parsers.firewall.firewalld import firewalld
from cluster.facts.parsers.firewall.iptables import iptables
from cluster.facts.parsers.firewall.nftables import nftables, tables_for_newer_nft
from cluster.facts.parsers.firewall.ufw import ufw

__all__ = ["firewalld", "iptables", "merge_rules", "nftables", "tables_for_newer_nft", "ufw"]


# chains of iptables that ufw fills
_INPUT = ("ip filter INPUT", "ip6 filter INPUT")
_FORWARD = ("ip filter FORWARD", "ip6 filter FORWARD")
_OF_FIREWALLD = ("inet firewalld", "ip firewalld", "ip6 firewalld")


def merge_rules(
    *,
    ufw: tuple[FirewallRule, ...],
    firewalld: tuple[FirewallRule, ...],
    nftables: tuple[FirewallRule, ...],
    iptables: tuple[FirewallRule, ...],
) -> tuple[FirewallRule, ...]:
    """Report each firewall once, as the program that its owner configures. ufw and firewalld use nftables or iptables."""
    by_iptables = {(rule.family, rule.detail) for rule in iptables}
    both = (*iptables, *(rule for rule in nftables if (rule.family, rule.detail) not in by_iptables))
    if ufw:
        # `ufw status` does not show whether ufw drops forwarded packets; only the chain does
        routed = (replace(rule, program="ufw", detail="routed packets") for rule in both if rule.detail in _FORWARD)
        ufw = (*ufw, *routed)
        both = tuple(rule for rule in both if rule.detail not in _INPUT + _FORWARD)
    if firewalld:
        # a zone shows only what it does with packets to the host
        own = [rule for rule in both if rule.detail.startswith(_OF_FIREWALLD)]
        forwarded = (replace(rule, program="firewalld", detail="forwarded packets") for rule in own if rule.hook == "forward")
        firewalld = (*firewalld, *forwarded)
        both = tuple(rule for rule in both if rule not in own)
    return (*ufw, *firewalld, *both)
