"""Unique host names and hardware ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cluster.facts.host_facts import HostFacts
from cluster.rules.inspected import Inspected
from cluster.rules.names import is_node_name
from cluster.rules.registry import cluster_rule, host_rule
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.spec import Host


@host_rule("hostname-differs", Severity.WARNING)
def hostname_is_the_node_name(_cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The host name of the machine differs from the node name. This only confuses people, because kubeadm gets the node name explicitly."""
    if facts.hostname.lower() != host.name and facts.hostname.lower().partition(".")[0] != host.name:
        message = f"the host name is {facts.hostname}, but the node name is {host.name}"
        # a machine may be named Node_01, which no node can be
        proposal = facts.hostname.lower()
        alternative = f", or write name: {proposal}" if is_node_name(proposal) else ""
        yield Violation("hostname", message, f"run `hostnamectl set-hostname {host.name}`{alternative}")


@cluster_rule("hostname-twice")
def hostnames_are_unique(cluster: Inspected) -> Iterator[Violation]:
    """Two machines have the same host name."""
    yield from _duplicates(
        cluster, "hostname", lambda _host, facts: facts.hostname, "give each machine its own name: `hostnamectl set-hostname NAME`"
    )


@cluster_rule("product-uuid-twice")
def product_uuids_are_unique(cluster: Inspected) -> Iterator[Violation]:
    """Two machines have the same product_uuid."""
    hint = "remove the second entry of one machine, or give each cloned virtual machine its own UUID in the hypervisor"
    yield from _duplicates(cluster, "product_uuid", lambda _host, facts: facts.product_uuid, hint)


@cluster_rule("mac-twice")
def macs_are_unique(cluster: Inspected) -> Iterator[Violation]:
    """Two machines have the same MAC address on the links of their node addresses."""
    hint = "remove the second entry of one machine, or give each link of the cloned virtual machines its own MAC address in the hypervisor"

    def mac(host: Host, facts: HostFacts) -> str | None:
        links = (facts.link_of(address) for address in cluster.addresses(host))
        return next((link.mac for link in links if link is not None and link.mac), None)

    yield from _duplicates(cluster, "mac", mac, hint)


@cluster_rule("machine-id-twice", Severity.WARNING)
def machine_ids_are_unique(cluster: Inspected) -> Iterator[Violation]:
    """Two machines have the same /etc/machine-id, so DHCP servers and log collectors cannot distinguish them."""
    hint = "run `rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup` on all cloned machines but one, and reboot them"
    yield from _duplicates(cluster, "machine-id", lambda _host, facts: facts.machine_id, hint)


def _duplicates(cluster: Inspected, what: str, read: Callable[[Host, HostFacts], str | None], hint: str) -> Iterator[Violation]:
    first: dict[str, str] = {}
    for host, facts in cluster.hosts:
        if not (value := read(host, facts)):
            continue
        if value in first:
            yield Violation(f"hosts/{host.name}/{what}", f"{host.name} and {first[value]} both have {what} {value}", hint)
        else:
            first[value] = host.name
