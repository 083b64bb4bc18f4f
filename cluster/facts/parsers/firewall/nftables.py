"""Part nftables: the ruleset as `nft -j list ruleset` prints it (libnftables-json(5))."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from cluster.facts.host_facts import FirewallRule
from cluster.facts.parsers.firewall.chains import EVERYTHING, Chain, Condition, Ports, Rule, Verdict, closed_ports, outside
from cluster.facts.parsers.sections import read_json
from cluster.vocabulary.families import Family

Table = tuple[str, str]  # family and name
Expression = dict[str, Any]

_FAMILIES = {"ip": (Family.IPV4,), "ip6": (Family.IPV6,), "inet": (Family.IPV4, Family.IPV6)}
# prefixes of the tables of kube-proxy and pod networks
_OF_KUBERNETES = ("kube-proxy", "flannel-", "cali", "cilium")
# prefixes of their links; a name that begins with an asterisk may be any link
_LINKS_OF_PODS = ("cni", "flannel", "cali", "vxlan", "tunl", "veth", "lxc", "kube", "*")
# the first nft that writes metadata of sets and maps which older versions crash on (kubernetes#136786)
_WRITES_METADATA = (1, 1, 2)
_NEVER = Condition(never=True)
_UNCERTAIN = Condition(uncertain=True)


def nftables(text: str) -> tuple[FirewallRule, ...]:
    """Base chains that close ports on the input hook, or everything on the forward hook: one entry per chain and family."""
    if not text.strip():
        return ()
    entries: list[Expression] = read_json(text)["nftables"]
    sets = {
        (_table(item), item["name"]): item.get("elem", []) for entry in entries for item in (entry.get("set"), entry.get("map")) if item
    }
    chains: dict[Table, dict[str, Chain]] = {}
    bases: list[tuple[Table, str, str]] = []
    for entry in entries:
        if chain := entry.get("chain"):
            chains.setdefault(_table(chain), {})[chain["name"]] = Chain(chain["name"], policy=_policy(chain))
            if chain.get("hook") in ("input", "forward") and chain.get("type") == "filter":
                bases.append((_table(chain), chain["name"], chain["hook"]))
        elif rule := entry.get("rule"):
            table = _table(rule)
            chains[table][rule["chain"]].rules += _rules(rule["expr"], table, sets)
    return tuple(_closing_chains(bases, chains))


def tables_for_newer_nft(text: str) -> tuple[str, ...]:
    """The tables with sets or maps of an nft of 1.1.2 or newer, without those of Kubernetes: older versions crash when they list these tables.

    Sets without a name are no danger, but verdict maps without a name are.
    """
    if not text.strip():
        return ()
    entries: list[Expression] = read_json(text)["nftables"]
    version = next((entry["metainfo"]["version"] for entry in entries if "metainfo" in entry), "")
    if tuple(int(number[:9]) for number in version.split(".") if number.isdecimal()) < _WRITES_METADATA:
        return ()
    named = [item for entry in entries for item in (entry.get("set"), entry.get("map")) if item]
    mapped = [rule for entry in entries if (rule := entry.get("rule")) and any("vmap" in expression for expression in rule["expr"])]
    tables = dict.fromkeys(_table(item) for item in (*named, *mapped))
    return tuple(f"{family} {name}" for family, name in tables if not name.startswith(_OF_KUBERNETES))


def _closing_chains(bases: Iterable[tuple[Table, str, str]], chains: dict[Table, dict[str, Chain]]) -> Iterator[FirewallRule]:
    for table, name, hook in bases:
        if table[1].startswith(_OF_KUBERNETES):
            continue
        for family in _FAMILIES.get(table[0], ()):
            closed = closed_ports(chains[table][name], chains[table], family)
            if closed and (hook == "input" or closed == EVERYTHING):
                yield FirewallRule("nftables", family, f"{table[0]} {table[1]} {name}", closed, hook)


def _table(entry: Expression) -> Table:
    return entry["family"], entry["table"]


def _policy(chain: Expression) -> Verdict:
    return Verdict.DROP if chain.get("policy") == "drop" else Verdict.ACCEPT


_VERDICTS = {"accept": Verdict.ACCEPT, "drop": Verdict.DROP, "reject": Verdict.DROP, "return": Verdict.RETURN, "queue": Verdict.ACCEPT}


def _rules(expressions: list[Expression], table: Table, sets: dict[tuple[Table, str], Any]) -> Iterator[Rule]:
    """The rules of one nftables rule: one, or one for each entry of a verdict map."""
    condition = Condition()
    for expression in expressions:
        kind, body = next(iter(expression.items()))
        if kind == "match":
            condition = condition.both(_condition(body, table, sets))
        elif kind in _VERDICTS:
            yield Rule(condition, _VERDICTS[kind])
            return
        elif kind in ("jump", "goto"):
            yield Rule(condition, Verdict(kind), body["target"])
            return
        elif kind == "vmap":
            for value, verdict in _elements(body["data"], table, sets):
                narrowed = condition.both(_condition({"op": "==", "left": body["key"], "right": value}, table, sets))
                yield from (Rule(narrowed.both(rule.condition), rule.verdict, rule.target) for rule in _rules([verdict], table, sets))
        elif kind not in ("counter", "log", "comment"):
            condition = condition.both(_UNCERTAIN)  # limits, xt matches of iptables-nft, and unknown expressions


def _elements(right: Any, table: Table, sets: dict[tuple[Table, str], Any]) -> list[Any]:
    """The elements of an anonymous set, a named set (@NAME), or a single value."""
    if isinstance(right, str) and right.startswith("@"):
        return list(sets.get((table, right[1:]), []))
    if isinstance(right, dict) and "set" in right:
        listed = right["set"]
        return list(listed) if isinstance(listed, list) else [listed]
    return list(right) if isinstance(right, list) else [right]


def _condition(match: Expression, table: Table, sets: dict[tuple[Table, str], Any]) -> Condition:
    left, elements = match["left"], _elements(match["right"], table, sets)
    negated = match.get("op") == "!="
    kind, body = next(iter(left.items())) if isinstance(left, dict) else ("", {})
    if kind == "payload":
        return _of_payload(body.get("protocol"), body.get("field"), elements, negated)
    if kind == "meta":
        return _of_meta(body.get("key"), elements, negated)
    if kind == "ct" and body.get("key") == "state":
        return Condition(never=("new" in elements) is negated)
    if kind == "ct" and body.get("key") == "status" and elements == ["dnat"] and not negated:
        return _NEVER  # packets between pods have the addresses of pods
    return _UNCERTAIN


_HEADERS = {"ip": Family.IPV4, "ip6": Family.IPV6}


def _of_payload(protocol: str | None, header_field: str | None, elements: list[Any], negated: bool) -> Condition:
    if protocol in ("tcp", "udp", "th") and header_field == "dport":
        return _of_ports(protocol, elements, negated)
    if protocol in ("icmp", "icmpv6", "igmp", "sctp", "dccp", "esp", "ah"):
        return _NEVER
    if protocol in _HEADERS:
        of_family = Condition(families=frozenset({_HEADERS[protocol]}))
        return of_family.both(_of_protocols(elements, negated) if header_field in ("protocol", "nexthdr") else _UNCERTAIN)
    return _UNCERTAIN


def _of_ports(protocol: str | None, elements: list[Any], negated: bool) -> Condition:
    protocols = frozenset({protocol}) if protocol in ("tcp", "udp") else frozenset({"tcp", "udp"})
    ports: list[tuple[int, int]] = []
    for element in elements:
        plain = element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element
        if isinstance(plain, int):
            ports.append((plain, plain))
        elif isinstance(plain, dict) and "range" in plain:
            ports.append((int(plain["range"][0]), int(plain["range"][1])))
        else:
            return Condition(protocols=protocols, uncertain=True)
    found: Ports = tuple(ports)
    return Condition(protocols=protocols, ports=outside(found) if negated else found)


def _of_protocols(elements: list[Any], negated: bool) -> Condition:
    both = {"tcp", "udp"}
    named = {{"6": "tcp", "17": "udp"}.get(str(element), str(element)) for element in elements}
    return Condition(protocols=frozenset(both - named if negated else both & named))


def _of_meta(key: str | None, elements: list[Any], negated: bool) -> Condition:
    if key == "l4proto":
        return _of_protocols(elements, negated)
    if key in ("nfproto", "protocol"):
        named = {
            {"ipv4": Family.IPV4, "ip": Family.IPV4, "ipv6": Family.IPV6, "ip6": Family.IPV6}.get(str(element)) for element in elements
        }
        return Condition(families=frozenset(family for family in Family if (family in named) is not negated))
    if key in ("iifname", "iif"):
        # packets from other hosts never arrive on loopback
        if elements == ["lo"]:
            return Condition() if negated else _NEVER
        return _UNCERTAIN
    # packets to pods leave on links of pods
    if key in ("oifname", "oif") and not negated and not any(str(element).startswith(_LINKS_OF_PODS) for element in elements):
        return _NEVER
    return _UNCERTAIN
