"""Part ufw: the output of `ufw status verbose` while ufw is active."""

from __future__ import annotations

import re

from cluster.facts.host_facts import FirewallRule
from cluster.facts.parsers.firewall.chains import Chain, Condition, Ports, Rule, Verdict, closed_ports
from cluster.vocabulary.families import Family

_ACTIONS = {"ALLOW": Verdict.ACCEPT, "LIMIT": Verdict.ACCEPT, "DENY": Verdict.DROP, "REJECT": Verdict.DROP}
_ACTION = re.compile(rf"\s({'|'.join(_ACTIONS)})(?: IN)?\s{{2,}}")
_RANGE = r"\d{1,5}+(?::\d{1,5}+)?+"
_PORTS = re.compile(rf"(?:^|\s)(?P<ports>{_RANGE}(?:,{_RANGE})*+)(?:/(?P<protocol>tcp|udp))?(?=$|\s)")


def ufw(text: str) -> tuple[FirewallRule, ...]:
    """The closed ports of ufw by family; empty when ufw is inactive."""
    if not re.search(r"^Status: active", text, re.MULTILINE):
        return ()
    policy = re.search(r"^Default: (\w+) \(incoming\)", text, re.MULTILINE)
    if policy is None:
        raise ValueError("the default policy of ufw for incoming packets is missing")
    found = []
    for family in Family:
        chain = Chain("incoming", [rule for line in text.splitlines() if (rule := _rule(line, family))], _policy(policy[1]))
        if closed := closed_ports(chain, {chain.name: chain}, family):
            found.append(FirewallRule("ufw", family, f"{policy[1]} (incoming)", closed))
    return tuple(found)


def _policy(word: str) -> Verdict:
    return Verdict.ACCEPT if word == "allow" else Verdict.DROP


def _rule(line: str, family: Family) -> Rule | None:
    """A line `22/tcp (v6)   ALLOW IN   Anywhere (v6)` as a rule; None for outgoing ones and for headings. A long first column ends with one space."""
    action = _ACTION.search(line)
    to, source = (line[: action.start()].strip(), line[action.end() :].partition("#")[0].strip()) if action else ("", "")
    if action is None or not to or line[0].isspace() or not source:
        return None
    # 30000:32767 is a range of ports
    of_ipv6 = "(v6)" in line or any(word.count(":") > 1 and "," not in word for word in f"{to} {source}".split())
    if of_ipv6 is not (family is Family.IPV6):
        return None
    anywhere = source.replace("(v6)", "").strip() == "Anywhere"
    return Rule(_to(to).both(Condition(uncertain=not anywhere)), _ACTIONS[action[1]])


def _to(text: str) -> Condition:
    """`Anywhere`, `22`, `22/tcp`, `80,443/tcp (Nginx Full)`, `6000:6007/tcp (v6)`, `198.18.0.11 6443/tcp`, `22/tcp on eth0`."""
    plain = re.sub(r"\([^()]*+\)", "", text).strip()
    if plain == "Anywhere":
        return Condition()
    found = _PORTS.search(plain)
    if found is None:
        return Condition(uncertain=True)
    ports: Ports = tuple((int(part.partition(":")[0]), int(part.rpartition(":")[2])) for part in found["ports"].split(","))
    protocols = frozenset({found["protocol"]} if found["protocol"] else {"tcp", "udp"})
    return Condition(protocols=protocols, ports=ports, uncertain=found[0].strip() != plain)
