"""NetworkManager and systemd-networkd on links of pods."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from cluster.facts.host_facts import HostFacts, LinkFile
from cluster.pod_networks.plugins import pod_network
from cluster.rules.inspected import Inspected
from cluster.rules.registry import host_rule
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.spec import Host

# of links of pods
_VIRTUAL_TYPES = ("*", "ether")
_VIRTUAL_KINDS = ("*", "veth", "bridge", "vxlan")


@host_rule("links-of-pods-managed", Severity.WARNING)
def links_of_pods_have_no_manager(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """NetworkManager or systemd-networkd manages links of pods. It may remove their addresses and routes, or start DHCP on them (rke2#786,
    kubekey#3193)."""
    managers, links = facts.link_managers, pod_network(cluster.spec).pod_links
    if managers.network_manager:
        managed = [link for link in links if not any(_is_left_alone(link, entry) for entry in managers.nm_unmanaged)]
        if managed:
            value = ";".join(f"interface-name:{link}" for link in links)
            hint = f"write `[keyfile]` and `unmanaged-devices+={value}` to /etc/NetworkManager/conf.d/90-pods.conf, and run `systemctl reload NetworkManager`"
            yield Violation("links", f"NetworkManager manages {', '.join(managed)}, the links of pods", hint)
    if managers.networkd:
        by_file: dict[str, list[str]] = {}
        for link in links:
            file = next((file for file in managers.networkd_files if _matches(file, link)), None)
            if file is not None and not file.unmanaged:
                by_file.setdefault(file.path, []).append(link)
        for path, managed in by_file.items():
            hint = f"write `[Match]`, `Name={' '.join(links)}`, `[Link]` and `Unmanaged=yes` to /etc/systemd/network/05-pods.network, and run `networkctl reload`"
            yield Violation("links", f"systemd-networkd manages {', '.join(managed)}, the links of pods, because of {path}", hint)


def _is_left_alone(link: str, specification: str) -> bool:
    """Whether a specification of NetworkManager (unmanaged-devices) covers the links with this pattern of names."""
    if specification == "*":
        return True
    _, found, pattern = specification.partition("interface-name:")
    return bool(found) and fnmatchcase(link, pattern.removeprefix("="))


def _matches(file: LinkFile, link: str) -> bool:
    """Whether a file of systemd-networkd matches the links with this pattern of names: every key of [Match] must match (systemd.network(5))."""
    if not file.matches:
        return False  # a file without [Match] matches nothing since systemd 243
    return all(_matches_key(key, value, link) for key, value in file.matches)


def _matches_key(key: str, value: str, link: str) -> bool:
    words = value.removeprefix("!").split()
    if key == "Name":
        found = any(fnmatchcase(link, word) for word in words)
    elif key == "Type":
        found = any(word in _VIRTUAL_TYPES for word in words)
    elif key in ("Kind", "Driver"):
        found = any(word in _VIRTUAL_KINDS for word in words)
    else:
        return False  # hardware
    return found != value.startswith("!")
