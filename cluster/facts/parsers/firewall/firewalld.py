"""Part firewalld: the default zone, links with global addresses, and `firewall-cmd --list-all` of each zone, as `word rest` lines."""

from __future__ import annotations

from cluster.facts.host_facts import FirewallRule
from cluster.facts.parsers.firewall.chains import Chain, Condition, Rule, Verdict, closed_ports
from cluster.facts.parsers.sections import pairs
from cluster.vocabulary.families import Family

# Services of firewalld with ports of Kubernetes, as defined in its files.
_SERVICES = {
    "kube-api": ("6443/tcp",),
    "kube-apiserver": ("6443/tcp",),
    "kube-control-plane": ("2379-2380/tcp", "6443/tcp", "10250-10252/tcp"),
    "kube-control-plane-secure": ("2379-2380/tcp", "6443/tcp", "10250/tcp", "10257/tcp", "10259/tcp"),
    "kube-worker": ("10250/tcp", "30000-32767/tcp"),
    "kubelet": ("10250/tcp",),
    "kubelet-worker": ("10250/tcp",),
    "etcd-client": ("2379/tcp",),
    "etcd-server": ("2380/tcp",),
}


def firewalld(text: str) -> tuple[FirewallRule, ...]:
    """The closed ports of each zone with links. Zones that accept everything are skipped. Links without a zone are in the default zone."""
    found = []
    words, zones = dict(pairs(text)), _zones(text)
    bound = {link for _, settings in zones for link in settings.get("interfaces", "").split()}
    without_zone = set(words.get("links", "").split()) - bound
    for zone, settings in zones:
        has_links = settings.get("interfaces") or (zone == words.get("default") and without_zone)
        if settings.get("target", "default").strip("%") == "ACCEPT" or not has_links:
            continue
        opened = [_rule(port) for port in settings.get("ports", "").split()]
        opened += [_rule(port) for service in settings.get("services", "").split() for port in _SERVICES.get(service, ())]
        chain = Chain(zone, opened, Verdict.DROP)
        for family in Family:
            found.append(FirewallRule("firewalld", family, f"zone {zone}", closed_ports(chain, {zone: chain}, family)))
    return tuple(found)


def _zones(text: str) -> list[tuple[str, dict[str, str]]]:
    zones: list[tuple[str, dict[str, str]]] = []
    for word, rest in pairs(text):
        if word == "zone":
            zones.append((rest, {}))
        elif zones:
            zones[-1][1][word] = rest
    return zones


def _rule(port: str) -> Rule:
    numbers, _, protocol = port.partition("/")
    first, _, last = numbers.partition("-")
    return Rule(Condition(protocols=frozenset({protocol}), ports=((int(first), int(last or first)),)), Verdict.ACCEPT)
