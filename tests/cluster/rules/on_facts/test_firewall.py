"""Firewalls that block the cluster, and the commands that open the ports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cluster.facts.host_facts import FirewallRule, PortRange
from cluster.rules.on_facts import check_facts
from cluster.vocabulary.families import Family

Make = Callable[..., Any]

EVERYTHING = (PortRange("tcp", 0, 65535), PortRange("udp", 0, 65535))


@pytest.mark.parametrize(
    ("rule", "commands"),
    [
        (FirewallRule("ufw", Family.IPV6, "deny (incoming)", EVERYTHING), ["`ufw allow 10250,6443,30000:32767/tcp`", "`ufw allow 8472,30000:32767/udp`"]),
        (
            FirewallRule("firewalld", Family.IPV6, "zone public", EVERYTHING),
            ["`firewall-cmd --permanent --zone=public --add-port=10250/tcp --add-port=6443/tcp", "--add-port=30000-32767/udp && firewall-cmd --reload`"],
        ),
        (
            FirewallRule("nftables", Family.IPV6, "inet filter input", EVERYTHING),
            ["`nft insert rule inet filter input tcp dport { 10250, 6443, 30000-32767 } accept`"],
        ),
        (FirewallRule("iptables", Family.IPV6, "ip6 filter INPUT", EVERYTHING), ["`ip6tables -I INPUT -p tcp -m multiport --dports 10250,6443,30000:32767 -j ACCEPT`"]),
    ],
    ids=lambda value: value.program if isinstance(value, FirewallRule) else "",
)  # fmt: skip
def test_a_firewall_is_named_with_closed_ports_and_commands(
    a_spec: Make, some_facts: Make, rule: FirewallRule, commands: list[str]
) -> None:
    """For each firewall program."""
    (problem,) = check_facts(a_spec(), {"node-1": some_facts(1, firewall=(rule,))}, bundle_architecture="amd64", bundle_size=1)
    assert (problem.code, problem.path) == ("firewall-closed", "hosts/node-1/firewall")
    assert rule.detail in problem.message
    assert "over IPv6 to 10250/tcp, 6443/tcp, 30000-32767/tcp, 8472/udp, 30000-32767/udp" in problem.message
    for command in commands:
        assert command in problem.hint


def test_the_node_ports_of_the_file_are_the_ones_to_open(a_spec: Make, some_facts: Make) -> None:
    """--service-node-port-range of the API server."""
    spec = a_spec(kubeadm={"extra_args": {"apiserver": {"service-node-port-range": "20000-20100"}}})
    rule = FirewallRule("nftables", None, "inet filter input", (PortRange("tcp", 20000, 20100),))
    (problem,) = check_facts(spec, {"node-1": some_facts(1, firewall=(rule,))}, bundle_architecture="amd64", bundle_size=1)
    assert "20000-20100/tcp" in problem.message
    assert "`nft insert rule inet filter input tcp dport { 20000-20100 } accept`" in problem.hint


def test_only_ports_that_peers_need_count(a_spec: Make, some_facts: Make) -> None:
    """Port 6443 of a worker and the etcd ports can be closed."""
    closed = (PortRange("tcp", 6443, 6443), PortRange("tcp", 2379, 2380), PortRange("udp", 4789, 4789))
    facts = {"node-2": some_facts(2, firewall=(FirewallRule("nftables", None, "inet filter input", closed),))}
    assert check_facts(a_spec(), facts, bundle_architecture="amd64", bundle_size=1) == ()


def test_a_firewall_of_a_family_that_is_not_used_does_not_matter(a_spec: Make, some_facts: Make) -> None:
    """An IPv4-only cluster does not need IPv6."""
    facts = {"node-1": some_facts(1, firewall=(FirewallRule("nftables", Family.IPV6, "ip6 filter input", EVERYTHING),))}
    assert check_facts(a_spec(stack="ipv4"), facts, bundle_architecture="amd64", bundle_size=1) == ()


def test_a_closed_forward_hook_is_named_with_the_pod_ranges(a_spec: Make, some_facts: Make) -> None:
    """Packets of pods are forwarded packets."""
    rule = FirewallRule("nftables", Family.IPV6, "inet filter forward", EVERYTHING, "forward")
    (problem,) = check_facts(a_spec(), {"node-1": some_facts(1, firewall=(rule,))}, bundle_architecture="amd64", bundle_size=1)
    assert "drops packets forwarded to and from pods over IPv6" in problem.message
    assert "`nft insert rule inet filter forward ip6 daddr fd44::/56 accept`" in problem.hint


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("ufw", "`ufw route allow from fd44::/56`"),
        ("firewalld", "`firewall-cmd --permanent --zone=trusted --add-source=fd44::/56 && firewall-cmd --reload`"),
        ("iptables", "`ip6tables -I FORWARD -s fd44::/56 -j ACCEPT`"),
    ],
)
def test_forwarded_packets_are_accepted_with_the_program_of_the_owner(a_spec: Make, some_facts: Make, program: str, command: str) -> None:
    """So that the setting outlives a reload."""
    rule = FirewallRule(program, Family.IPV6, "forwarded", EVERYTHING, "forward")
    (problem,) = check_facts(a_spec(), {"node-1": some_facts(1, firewall=(rule,))}, bundle_architecture="amd64", bundle_size=1)
    assert command in problem.hint
