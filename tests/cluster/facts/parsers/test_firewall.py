"""Closed ports of real firewalls, from recorded output."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cluster.facts.host_facts import FirewallRule, PortRange
from cluster.facts.parsers import firewall
from cluster.facts.parsers.firewall.chains import Chain, Condition, Rule, Verdict, closed_ports, outside
from cluster.facts.parsers.sections import sections_of
from cluster.vocabulary.families import Family

Recorded = Callable[[str], str]


def rules_in(text: str) -> tuple[FirewallRule, ...]:
    """The merged rules of the four parts."""
    parts: dict[str, Any] = {
        name: getattr(firewall, name)(sections_of(text)[name]) for name in ("ufw", "firewalld", "nftables", "iptables")
    }
    return firewall.merge_rules(**parts)


def test_a_dropping_nft_policy_closes_what_no_rule_accepts(recorded: Recorded) -> None:
    """Rules for loopback, established connections and ICMP open no port. A rule for an IPv4 network can match the peers."""
    incoming, *forwarded = rules_in(recorded("nft-drop-policy"))
    assert (incoming.family, incoming.detail, incoming.hook) == (Family.IPV6, "inet filter input", "input")
    assert [port for port in (22, 6443, 10250, 30000) if incoming.closes("tcp", port)] == [6443, 30000]
    assert incoming.closes("udp", 8472)
    assert [(rule.family, rule.detail, rule.hook) for rule in forwarded] == [
        (Family.IPV4, "inet filter forward", "forward"),
        (Family.IPV6, "inet filter forward", "forward"),
    ]


def test_rejecting_nft_rules_close_their_ports(recorded: Recorded) -> None:
    """With a named set and a user chain. A port that is open for some sources does not count as closed."""
    (rule,) = rules_in(recorded("nft-ipv6-reject"))
    assert (rule.family, rule.closed) == (
        Family.IPV6,
        (PortRange("tcp", 6443, 6443), PortRange("tcp", 30000, 32767), PortRange("udp", 8472, 8472)),
    )


def test_iptables_rules_are_read_from_iptables_save(recorded: Recorded) -> None:
    """nft does not decode their matches. A return for some sources does not open a port."""
    first, second = rules_in(recorded("iptables"))
    assert (first.program, first.family, first.detail) == ("iptables", Family.IPV4, "ip filter INPUT")
    assert first.closed == (
        PortRange("tcp", 0, 21),
        PortRange("tcp", 23, 10249),
        PortRange("tcp", 10251, 65535),
        PortRange("udp", 0, 7999),
        PortRange("udp", 9001, 65535),
    )
    assert (second.family, second.closed) == (Family.IPV6, (PortRange("tcp", 10250, 10250),))


def test_a_legacy_table_counts(recorded: Recorded) -> None:
    """iptables-legacy has separate tables."""
    (rule,) = rules_in(recorded("iptables-legacy"))
    assert (rule.program, rule.family) == ("iptables", Family.IPV4)
    assert rule.closes("tcp", 6443)
    assert not rule.closes("tcp", 22)


def test_ufw_is_reported_once(recorded: Recorded) -> None:
    """Its iptables rules are not reported again. Only they show dropped forwarded packets."""
    rules = rules_in(recorded("ufw"))
    assert [(rule.program, rule.family, rule.hook) for rule in rules] == [
        ("ufw", Family.IPV4, "input"),
        ("ufw", Family.IPV6, "input"),
        ("ufw", Family.IPV4, "forward"),
        ("ufw", Family.IPV6, "forward"),
    ]
    for rule in rules[:2]:
        assert [port for port in (22, 6443, 10250, 2379) if rule.closes("tcp", port)] == [2379]
        assert [port for port in (8472, 10250) if rule.closes("udp", port)] == [10250]


def test_a_long_list_of_ports_of_ufw_is_read() -> None:
    """As the hint opens them: the column of 26 characters is full. Routed packets are none to the host."""
    lines = [
        "Status: active",
        "Default: deny (incoming), allow (outgoing), disabled (routed)",
        "",
        "10250,6443,30000:32767/tcp ALLOW IN    Anywhere",
        "10250,6443,30000:32767/tcp (v6) ALLOW IN    Anywhere (v6)",
        "8472/udp                   ALLOW FWD   Anywhere",
    ]
    for rule in firewall.ufw("\n".join(lines)):
        assert [rule.closes("tcp", port) for port in (10250, 6443, 30000, 32767, 2379)] == [False] * 4 + [True]
        assert rule.closes("udp", 8472)


@pytest.mark.parametrize("ports", ["6443,", "6443,,22", "6443:", "6443,22:", "9" * 5000])
def test_a_list_of_ports_that_ufw_cannot_have_written_opens_nothing(ports: str) -> None:
    """Nor is it an error: what is there may be any text."""
    (rule,) = firewall.ufw(f"Status: active\nDefault: deny (incoming), allow (outgoing)\n{ports}  ALLOW IN  Anywhere\n")[:1]
    assert rule.closes("tcp", 6443)


def test_an_inactive_ufw_closes_nothing() -> None:
    """It is installed on every Ubuntu."""
    assert firewall.ufw("Status: inactive\n") == ()
    assert firewall.ufw("") == ()


def test_firewalld_is_reported_once(recorded: Recorded) -> None:
    """Ports and known services are open, and its nft table is not reported again."""
    rules = rules_in(recorded("firewalld"))
    assert [(rule.program, rule.family, rule.detail) for rule in rules] == [
        ("firewalld", Family.IPV4, "zone public"),
        ("firewalld", Family.IPV6, "zone public"),
        ("firewalld", Family.IPV4, "forwarded packets"),
        ("firewalld", Family.IPV6, "forwarded packets"),
    ]
    assert [port for port in (6443, 10250, 30000) if rules[0].closes("tcp", port)] == [30000]


def test_a_trusting_zone_closes_nothing() -> None:
    """Target ACCEPT, or no interface."""
    assert firewall.firewalld("zone trusted\ntarget ACCEPT\ninterfaces eth0\n") == ()
    assert firewall.firewalld("zone drop\ntarget DROP\ninterfaces\n") == ()


def test_a_link_without_a_zone_is_in_the_default_zone() -> None:
    """Without NetworkManager no link has a zone, and no zone is active (Debian 12)."""
    zone = "zone public\ntarget default\ninterfaces {}\nports 6443/tcp\n"
    found = firewall.firewalld("default public\nlinks eth0\n" + zone.format(""))
    assert [(rule.family, rule.detail, rule.closes("tcp", 10250)) for rule in found] == [
        (Family.IPV4, "zone public", True),
        (Family.IPV6, "zone public", True),
    ]
    assert firewall.firewalld("default public\nlinks eth0\n" + zone.format("") + "zone trusted\ntarget ACCEPT\ninterfaces eth0\n") == ()
    assert firewall.firewalld("default drop\nlinks eth0\n" + zone.format("")) == ()


def test_forwarded_packets_that_firewalld_drops_are_reported_as_its_own() -> None:
    """Its zones show only packets to the host; a command of nft would last until its next reload."""
    own = FirewallRule("nftables", Family.IPV4, "inet firewalld filter_FORWARD", (PortRange("tcp", 0, 65535),), "forward")
    incoming = FirewallRule("nftables", Family.IPV4, "inet firewalld filter_INPUT", (PortRange("tcp", 0, 65535),))
    zone = FirewallRule("firewalld", Family.IPV4, "zone public", (PortRange("tcp", 0, 65535),))
    merged = firewall.merge_rules(ufw=(), firewalld=(zone,), nftables=(incoming, own), iptables=())
    assert [(rule.program, rule.detail, rule.hook) for rule in merged] == [
        ("firewalld", "zone public", "input"),
        ("firewalld", "forwarded packets", "forward"),
    ]


def test_no_firewall_is_no_fault(recorded: Recorded) -> None:
    """An empty ruleset and no programs."""
    assert rules_in(recorded("bare-debian-12")) == ()


SET = {"set": {"family": "inet", "name": "s", "table": "own", "type": "ipv4_addr", "handle": 2}}
MAP = {"map": {"family": "ip", "name": "m", "table": "own", "type": "ipv4_addr", "map": "verdict", "handle": 2}}
VERDICTS = {"vmap": {"key": {"payload": {"protocol": "tcp", "field": "dport"}}, "data": {"set": [[80, {"accept": None}]]}}}
RULE = {"rule": {"family": "ip6", "table": "own", "chain": "c", "expr": [VERDICTS]}}
PORTS = {"rule": {"family": "ip", "table": "own", "chain": "c", "expr": [{"match": {"op": "==", "left": {}, "right": {"set": [80, 443]}}}]}}


@pytest.mark.parametrize(
    ("version", "entries", "found"),
    [
        ("1.1.3", [SET], ("inet own",)),
        ("1.1.3", [SET, SET, MAP, RULE], ("inet own", "ip own", "ip6 own")),
        ("1.1.2", [SET], ("inet own",)),
        ("1.2", [SET], ("inet own",)),
        ("1.1.1", [SET], ()),
        ("1.0.6", [SET], ()),
        ("1.1.3", [PORTS], ()),
        ("1.1.3", [{"set": {**SET["set"], "table": "kube-proxy"}}], ()),
        ("", [SET], ()),
    ],
)
def test_tables_that_an_older_nft_cannot_read(version: str, entries: list[dict[str, Any]], found: tuple[str, ...]) -> None:
    """What nft 1.1.3 of Debian 13 wrote and nft 1.0.6 of Debian 12 crashed on: sets and maps, also verdict maps without a name."""
    text = json.dumps({"nftables": [{"metainfo": {"version": version, "json_schema_version": 1}}, *entries]})
    assert firewall.tables_for_newer_nft(text) == found


def test_a_host_without_nft_has_no_tables() -> None:
    """The part is empty."""
    assert firewall.tables_for_newer_nft("\n") == ()


def nft(*rules: list[dict[str, Any]], policy: str = "accept", family: str = "inet", table: str = "filter") -> tuple[FirewallRule, ...]:
    """The closed ports of one input chain with these rules."""
    place = {"family": family, "table": table}
    entries: list[dict[str, Any]] = [{"chain": {**place, "name": "input", "type": "filter", "hook": "input", "prio": 0, "policy": policy}}]
    entries += [{"rule": {**place, "chain": "input", "expr": list(expressions)}} for expressions in rules]
    return firewall.nftables(json.dumps({"nftables": entries}))


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    """A match expression."""
    return {"match": {"op": op, "left": left, "right": right}}


DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}


@pytest.mark.parametrize(
    "condition",
    [
        match({"meta": {"key": "iifname"}}, "wlan0"),
        match({"payload": {"protocol": "ip", "field": "saddr"}}, "203.0.113.7"),
        match({"ct": {"key": "state"}}, ["invalid"], "in"),
        {"limit": {"rate": 5, "per": "second"}},
        {"xt": {"type": "match", "name": "recent"}},
        match({"payload": {"protocol": "icmp", "field": "type"}}, "echo-request"),
    ],
    ids=["interface", "source", "invalid", "rate", "xt", "icmp"],
)
def test_a_drop_on_a_condition_is_not_certain(condition: dict[str, Any]) -> None:
    """Only ports that are closed for every source and interface count."""
    assert nft([condition, {"drop": None}]) == ()


def test_an_excluded_port_range_stays_open() -> None:
    """tcp dport != 6000-7000 drop."""
    (ipv4, ipv6) = nft([match(DPORT, {"range": [6000, 7000]}, "!="), {"drop": None}])
    assert ipv4.closed == ipv6.closed == (PortRange("tcp", 0, 5999), PortRange("tcp", 7001, 65535))


def test_a_verdict_map_is_expanded() -> None:
    """tcp dport vmap { 22 : accept, 6443 : drop }."""
    table = {"set": [[22, {"accept": None}], [6443, {"drop": None}]]}
    (ipv4, _) = nft([{"vmap": {"key": DPORT, "data": table}}])
    assert ipv4.closed == (PortRange("tcp", 6443, 6443),)


def test_the_table_of_kube_proxy_is_ignored() -> None:
    """Nodes have such a table."""
    assert nft([{"drop": None}], table="kube-proxy") == ()


def test_bridge_tables_are_ignored() -> None:
    """Bridge tables filter frames, not packets to this host."""
    assert nft([{"drop": None}], family="bridge") == ()


def test_goto_does_not_return() -> None:
    """After a goto the policy applies, after a jump the next rule."""
    everything = Condition()
    chains = {"empty": Chain("empty"), "main": Chain("main", [], Verdict.DROP)}
    chains["main"].rules = [Rule(everything, Verdict.GOTO, "empty"), Rule(everything, Verdict.ACCEPT)]
    assert closed_ports(chains["main"], chains, Family.IPV4) != ()
    chains["main"].rules[0] = Rule(everything, Verdict.JUMP, "empty")
    assert closed_ports(chains["main"], chains, Family.IPV4) == ()


def test_chains_that_call_each_other_end() -> None:
    """The kernel refuses loops, but malformed output can contain one."""
    chains = {"a": Chain("a"), "b": Chain("b")}
    chains["a"].rules = [Rule(Condition(), Verdict.JUMP, "b")]
    chains["b"].rules = [Rule(Condition(), Verdict.JUMP, "a")]
    assert closed_ports(chains["a"], chains, Family.IPV4) == ()


def test_outside_is_the_complement() -> None:
    """With overlaps, and at both ends."""
    assert outside(((0, 10), (5, 20), (65535, 65535))) == ((21, 65534),)
    assert outside(()) == ((0, 65535),)
    assert outside(((0, 65535),)) == ()
