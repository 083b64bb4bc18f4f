"""Part iptables: the filter tables as iptables-save prints them."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.facts.host_facts import FirewallRule
from cluster.facts.parsers.firewall.chains import EVERYTHING, Chain, Condition, Ports, Rule, Verdict, closed_ports, outside
from cluster.vocabulary.families import Family
from cluster.vocabulary.shell_words import shell_words

_FAMILIES = {"ip": Family.IPV4, "ip6": Family.IPV6}
_TARGETS = {"ACCEPT": Verdict.ACCEPT, "DROP": Verdict.DROP, "REJECT": Verdict.DROP, "RETURN": Verdict.RETURN}
_NO_VERDICT = ("LOG", "NFLOG", "MARK", "CONNMARK", "AUDIT", "SET", "TRACE", "CHECKSUM")


def iptables(text: str) -> tuple[FirewallRule, ...]:
    """INPUT chains that close ports, FORWARD chains that close everything; each table is preceded by a line `family ip` or `family ip6`."""
    return tuple(rule for family, lines in _tables(text) for rule in _closing_chains(family, lines))


def _tables(text: str) -> Iterator[tuple[Family, list[str]]]:
    family, lines = None, list[str]()
    for line in [*text.splitlines(), "family end"]:
        if line.startswith("family "):
            if family is not None:
                yield family, lines
            family, lines = _FAMILIES.get(line.removeprefix("family ")), []
        else:
            lines.append(line)


def _closing_chains(family: Family, lines: list[str]) -> Iterator[FirewallRule]:
    chains: dict[str, Chain] = {}
    for line in lines:
        if line.startswith(":"):
            name, policy, *_ = line[1:].split()
            chains[name] = Chain(name, policy=Verdict.DROP if policy == "DROP" else Verdict.ACCEPT)
        elif line.startswith("-A "):
            words = shell_words(line)
            chains[words[1]].rules.append(_rule(words[2:]))
    for name in ("INPUT", "FORWARD"):
        closed = closed_ports(chains[name], chains, family) if name in chains else ()
        if closed and (name == "INPUT" or closed == EVERYTHING):
            # the name that nft uses for the same chain
            table = "ip filter" if family is Family.IPV4 else "ip6 filter"
            yield FirewallRule("iptables", family, f"{table} {name}", closed, name.lower())


def _rule(words: list[str]) -> Rule:
    condition, negated = Condition(), False
    verdict, target = Verdict.NONE, ""
    rest = iter(words)
    for word in rest:
        if word == "!":
            negated = True
            continue
        if word in ("-j", "-g"):
            name = next(rest)
            verdict, target = _verdict(name, goto=word == "-g"), name
            break  # the rest are options of the target
        if word in ("-m", "--comment"):
            next(rest)
            continue
        # _condition consumes the value of each option that it supports; other words (--syn) are uncertain
        condition = condition.both(_condition(word, rest, negated))
        negated = False
    return Rule(condition, verdict, target)


def _verdict(name: str, *, goto: bool) -> Verdict:
    if name in _NO_VERDICT:
        return Verdict.NONE
    return _TARGETS.get(name, Verdict.GOTO if goto else Verdict.JUMP)


def _condition(option: str, rest: Iterator[str], negated: bool) -> Condition:
    if option in ("-p", "--protocol"):
        return _of_protocol(next(rest), negated)
    if option in ("--dport", "--dports", "--destination-port", "--destination-ports"):
        ports = _ports(next(rest))
        return Condition(ports=outside(ports) if negated else ports)
    if option in ("--state", "--ctstate"):
        return Condition(never=("NEW" in next(rest).split(",")) is negated)
    if option in ("-i", "--in-interface"):
        # packets from other hosts never arrive on loopback
        return Condition(never=not negated) if next(rest) == "lo" else Condition(uncertain=True)
    if option in ("--icmp-type", "--icmpv6-type"):
        return Condition(never=True)
    return Condition(uncertain=True)


def _of_protocol(name: str, negated: bool) -> Condition:
    both = frozenset({"tcp", "udp"})
    named = both if name == "all" else both & {name}
    return Condition(protocols=both - named if negated else named)


def _ports(text: str) -> Ports:
    found = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        found.append((int(first or 0), int(last or 65535) if ":" in part else int(first)))
    return tuple(found)
