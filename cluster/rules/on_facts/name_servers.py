"""Name servers that the cluster DNS forwards to."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address

from cluster.facts.host_facts import HostFacts
from cluster.kubeadm.component_settings import kubelet_setting
from cluster.rules.inspected import Inspected
from cluster.rules.registry import host_rule
from cluster.rules.services import unusable_name_server
from cluster.vocabulary.families import Address, Family, StackMode, family_names, family_of
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import ClusterSpec, Host

_HINT = "write the name servers to use as `network: {{dns_upstreams: [{example}]}}`, or fix {file} on the host"


def resolver_file(spec: ClusterSpec, facts: HostFacts) -> str:
    """The file whose name servers the kubelet gives to pods: `resolvConf` from the cluster file, else the default of kubeadm on this host."""
    return str(kubelet_setting(spec, "resolvConf", "resolv-conf", facts.resolver_file))


def _judged(cluster: Inspected, facts: HostFacts) -> tuple[Address, ...] | None:
    """The name servers that pods would get. None: the cluster file has others, or the facts do not have the file."""
    if cluster.spec.network.dns_upstreams:
        return None
    file = resolver_file(cluster.spec, facts)
    return facts.nameservers if file == facts.resolver_file else facts.resolver_files.get(file)


def _plain(server: Address) -> Address:
    """Programs in Go, such as CoreDNS, convert an IPv4-mapped address to IPv4."""
    return server.ipv4_mapped or server if isinstance(server, IPv6Address) else server


def _split(cluster: Inspected, facts: HostFacts) -> tuple[list[Address], list[Address]]:
    """The name servers that pods can reach, and those that they cannot."""
    servers = [_plain(server) for server in _judged(cluster, facts) or ()]
    usable = [server for server in servers if unusable_name_server(server) is None]
    return usable, [server for server in servers if server not in usable]


@host_rule("name-server-on-loopback")
def name_servers_are_not_loopback(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The host has only loopback name servers (127.0.0.53). In a pod, loopback is the pod itself: CoreDNS would query itself, and exits (coredns#2087)."""
    usable, others = _split(cluster, facts)
    if not usable and others and all(_is_the_pod_itself(server) for server in others):
        yield Violation(
            "nameservers", f"the only name server is {_listed(others)}, which is the pod itself in a pod", _hint(cluster, facts)
        )


@host_rule("name-server-unusable")
def a_name_server_is_usable(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The host has only name servers that no pod can reach: a link-local IPv6 address has no zone in a pod (kubernetes#71705)."""
    usable, others = _split(cluster, facts)
    if not usable and others and not all(_is_the_pod_itself(server) for server in others):
        yield Violation("nameservers", f"the name servers are {_with_kinds(others)}, which no pod can reach", _hint(cluster, facts))


@host_rule("name-server-partly-unusable", Severity.WARNING)
def every_name_server_is_usable(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The host has a name server that no pod can reach, besides others. CoreDNS uses all of them, and exits when it reaches itself (coredns#2790)."""
    usable, others = _split(cluster, facts)
    if usable and others:
        yield Violation("nameservers", f"no pod can reach name server {_with_kinds(others)}", _hint(cluster, facts))


@host_rule("name-server-family")
def a_name_server_is_of_a_family_in_use(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """A host of a single-stack cluster has no name server of its family, and pods can reach no other (rke2#8685, kind#3114)."""
    usable, _ = _split(cluster, facts)
    if cluster.spec.stack is StackMode.DUAL_STACK or not usable:
        return
    if not any(family_of(server) in cluster.spec.families for server in usable):
        message = f"the name servers are {_listed(usable)}, which pods with {family_names(cluster.spec.families)} alone cannot reach"
        yield Violation("nameservers", message, _hint(cluster, facts))


@host_rule("no-name-server", Severity.WARNING)
def there_is_a_name_server(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The host has no name server, so pods can resolve only names of the cluster."""
    if _judged(cluster, facts) == ():
        yield Violation("nameservers", "the host has no name server, so pods can resolve only names of the cluster", _hint(cluster, facts))


@host_rule("resolver-file-missing")
def the_resolver_file_exists(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The file of name servers that the cluster file gives to the kubelet (`resolvConf`) does not exist on the host, so no pod starts."""
    file = resolver_file(cluster.spec, facts)
    if file in INSPECTED_FILES and file != facts.resolver_file and facts.resolver_files and file not in facts.resolver_files:
        found = ", ".join(facts.resolver_files)
        yield Violation(
            "nameservers", f"the host has no file {file}, which the kubelet gives to pods", f"write one of {found}, or remove resolvConf"
        )


@host_rule("resolver-file-not-inspected", Severity.WARNING)
def the_resolver_file_was_inspected(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The cluster file gives the kubelet a file of name servers (`resolvConf`) that the facts do not have, so its name servers were not checked."""
    file = resolver_file(cluster.spec, facts)
    if file not in INSPECTED_FILES and file != facts.resolver_file:
        hint = f"check the file on {facts.host}, or use one of {', '.join(INSPECTED_FILES)}"
        yield Violation("nameservers", f"the name servers of {quoted(file)}, which the kubelet gives to pods, were not checked", hint)


# templates/facts/resolver.sh.j2 reads these
INSPECTED_FILES = (
    "/etc/resolv.conf",
    "/run/systemd/resolve/resolv.conf",
    "/run/systemd/resolve/stub-resolv.conf",
    "/run/NetworkManager/resolv.conf",
    "/run/NetworkManager/no-stub-resolv.conf",
    "/etc/kubernetes/resolv.conf",
)


def _is_the_pod_itself(server: Address) -> bool:
    # the system connects to itself when asked for the unspecified address
    return server.is_loopback or server.is_unspecified


def _hint(cluster: Inspected, facts: HostFacts) -> str:
    return _HINT.format(example=_example(cluster.spec.families[0]), file=resolver_file(cluster.spec, facts))


def _with_kinds(servers: list[Address]) -> str:
    return ", ".join(f"{server} ({unusable_name_server(server)})" for server in servers)


def _listed(servers: list[Address]) -> str:
    return ", ".join(str(server) for server in servers)


def _example(family: Family) -> str:
    """An address of the documentation ranges (RFC 5737, RFC 3849)."""
    return "192.0.2.53" if family is Family.IPV4 else '"2001:db8::53"'
