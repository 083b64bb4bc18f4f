"""Firewalls that block the cluster. Hints have the commands that open the ports; sixstack never opens them itself."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.facts.host_facts import FirewallRule, HostFacts
from cluster.kubeadm.component_settings import node_ports
from cluster.kubeadm.documents import proxy_mode
from cluster.rules.inspected import Inspected
from cluster.rules.on_facts.ports import listeners
from cluster.rules.registry import host_rule
from cluster.vocabulary.families import Family
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.spec import Host, ProxyMode

# protocol -> ports, as nft and firewall-cmd write them: 6443, 30000-32767
Closed = dict[str, tuple[str, ...]]


@host_rule("firewall-closed")
def ports_are_open_to_peers(cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """A firewall drops packets from the other hosts in a family in use."""
    for rule in facts.firewall:
        if rule.family is not None and rule.family not in cluster.spec.families:
            continue
        family = f" over {'IPv4' if rule.family is Family.IPV4 else 'IPv6'}" if rule.family else ""
        if rule.hook == "forward":
            if proxy_mode(cluster.spec) is ProxyMode.IPTABLES and (rule.program == "ufw" or rule.detail.endswith("filter FORWARD")):
                continue  # flannel and kube-proxy add rules to this chain that accept the packets of pods
            message = f"{rule.program} ({rule.detail}) drops packets forwarded to and from pods{family}"
            yield Violation("firewall", message, f"accept forwarded packets of the pod ranges: {_forward_command(rule, cluster)}")
        elif closed := _closed(cluster, host, rule):
            ports = ", ".join(f"{port}/{protocol}" for protocol, numbers in closed.items() for port in numbers)
            message = f"{rule.program} ({rule.detail}) drops packets from other hosts{family} to {ports}"
            yield Violation("firewall", message, f"open these ports for the other hosts: {_command(rule, closed)}")


def _closed(cluster: Inspected, host: Host, rule: FirewallRule) -> Closed:
    closed: dict[str, list[str]] = {}
    for listener in listeners(cluster, host):
        if listener.peers and rule.closes(listener.protocol, listener.port):
            closed.setdefault(listener.protocol, []).append(str(listener.port))
    services = node_ports(cluster.spec)
    for protocol in ("tcp", "udp"):
        if rule.closes(protocol, services[0]) and rule.closes(protocol, services[-1]):
            closed.setdefault(protocol, []).append(f"{services[0]}-{services[-1]}" if len(services) > 1 else str(services[0]))
    return {protocol: tuple(ports) for protocol, ports in closed.items()}


def _command(rule: FirewallRule, closed: Closed) -> str:
    if rule.program == "ufw":
        return "; ".join(f"`ufw allow {','.join(ports).replace('-', ':')}/{protocol}`" for protocol, ports in closed.items())
    if rule.program == "firewalld":
        zone = rule.detail.removeprefix("zone ")
        opened = " ".join(f"--add-port={port}/{protocol}" for protocol, ports in closed.items() for port in ports)
        return f"`firewall-cmd --permanent --zone={zone} {opened} && firewall-cmd --reload`"
    if rule.program == "nftables":
        return "; ".join(
            f"`nft insert rule {rule.detail} {protocol} dport {{ {', '.join(ports)} }} accept`" for protocol, ports in closed.items()
        )
    program = "ip6tables" if rule.family is Family.IPV6 else "iptables"
    return "; ".join(
        f"`{program} -I INPUT -p {protocol} -m multiport --dports {','.join(ports).replace('-', ':')} -j ACCEPT`"
        for protocol, ports in closed.items()
    )


def _forward_command(rule: FirewallRule, cluster: Inspected) -> str:
    ranges = [pods for pods in cluster.spec.pod_ranges if rule.family is None or pods.version == (4 if rule.family is Family.IPV4 else 6)]
    if rule.program == "ufw":
        return "; ".join(f"`ufw route allow {direction} {pods}`" for pods in ranges for direction in ("from", "to"))
    if rule.program == "firewalld":
        sources = " ".join(f"--add-source={pods}" for pods in ranges)
        return f"`firewall-cmd --permanent --zone=trusted {sources} && firewall-cmd --reload`"
    header = "ip6" if rule.family is Family.IPV6 else "ip"
    if rule.program == "iptables":
        return "; ".join(f"`{header}tables -I FORWARD {direction} {pods} -j ACCEPT`" for pods in ranges for direction in ("-s", "-d"))
    return "; ".join(
        f"`nft insert rule {rule.detail} {header} {direction} {pods} accept`" for pods in ranges for direction in ("saddr", "daddr")
    )
