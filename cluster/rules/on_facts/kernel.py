"""Capabilities of the kernel and its links: NAT, kube-proxy's mode, VXLAN, MTU, router advertisements."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.facts.host_facts import HostFacts
from cluster.kubeadm.documents import proxy_mode
from cluster.operating_systems.detection import operating_system
from cluster.pod_networks.plugins import pod_network
from cluster.pod_networks.vxlan import VXLAN_OVERHEAD
from cluster.rules.inspected import Inspected
from cluster.rules.registry import host_rule
from cluster.vocabulary.families import Family
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.spec import Host, ProxyMode

IPV6_MINIMUM_MTU = 1280  # RFC 8200


@host_rule("no-nat")
def kernel_can_translate(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The kernel cannot translate addresses of a family in use. Services need nf_tables, or iptable_nat and ip6table_nat (kubernetes#133694)."""
    for family in cluster.spec.families:
        if facts.nat.get(family) is False:
            module = "ip6table_nat" if family is Family.IPV6 else "iptable_nat"
            hint = f"load nf_tables or {module}, for example with `modprobe nf_tables`{operating_system(facts).kernel_modules_hint}, and enable IPv6 in the kernel"
            yield Violation("kernel", f"the kernel cannot translate {_word(family)} addresses: it has neither nf_tables nor {module}", hint)


@host_rule("nat-unknown", Severity.WARNING)
def kernel_says_whether_it_can_translate(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The facts do not show whether the kernel can translate addresses."""
    for family in cluster.spec.families:
        if family not in facts.nat:
            message = f"unknown whether the kernel can translate {_word(family)} addresses: the host has no nft, no kernel configuration and no /lib/modules"
            yield Violation("kernel", message, f"run on the host: {operating_system(facts).install_hint(['nft'])}")


@host_rule("kernel-too-old-for-proxy")
def kernel_fits_the_proxy_mode(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The kernel has no nf_tables or is older than 5.13. The nftables mode of kube-proxy needs nf_tables and 5.13."""
    if proxy_mode(cluster.spec) is not ProxyMode.NFTABLES:
        return
    hint = "use a newer kernel, or write `kubeadm: {kube_proxy: {mode: iptables}}`"
    if facts.kernel < (5, 13, 0):
        yield Violation("kernel", f"kernel {_version(facts)}: kube-proxy's nftables mode needs 5.13", hint)
    elif facts.nftables is False and any(facts.nat.values()):
        yield Violation("kernel", "the kernel has no nf_tables, which kube-proxy's nftables mode needs", hint)


@host_rule("tables-for-newer-nft", Severity.WARNING)
def the_proxy_can_read_the_tables(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The nft of the host wrote sets or maps that an nft before 1.1.2 cannot read. If the image of kube-proxy has such an nft, nftables mode does not
    work (kubernetes#136786)."""
    if proxy_mode(cluster.spec) is ProxyMode.NFTABLES and facts.tables_for_newer_nft:
        tables = ", ".join(facts.tables_for_newer_nft)
        message = f"nft on the host wrote sets or maps in {tables}: kube-proxy's nft crashes when it reads them, if it is older than 1.1.2"
        hint = (
            "remove the sets and maps from these tables, or write `kubeadm: {kube_proxy: {mode: iptables}}`; "
            "ignore this if the bundle's kube-proxy has nft 1.1.2 or newer"
        )
        yield Violation("nftables", message, hint)


@host_rule("kernel-too-old-for-vxlan")
def kernel_does_vxlan_over_ipv6(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The kernel is older than 4.19.1, which VXLAN over IPv6 needs."""
    if Family.IPV6 in pod_network(cluster.spec).vxlan_families(cluster.spec) and facts.kernel < (4, 19, 1):
        yield Violation("kernel", f"kernel {_version(facts)}: VXLAN over IPv6 needs 4.19.1", "use a newer kernel")


@host_rule("mtu-too-small")
def links_carry_pod_packets(cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The MTU of a link is too small. Pods need 1280 with IPv6, or the pod MTU from the file; VXLAN adds 50 bytes over IPv4, 70 over IPv6."""
    families = cluster.spec.families
    overhead = max((VXLAN_OVERHEAD[family] for family in pod_network(cluster.spec).vxlan_families(cluster.spec)), default=0)
    wanted = max(cluster.spec.cni.mtu or 0, IPV6_MINIMUM_MTU if Family.IPV6 in families else 0)
    for link in dict.fromkeys(facts.link_of(address) for address in cluster.addresses(host)):
        if wanted and link is not None and link.mtu < wanted + overhead:
            message = f"{link.name} has MTU {link.mtu}, but pods with MTU {wanted} need {wanted + overhead}" + (
                f" ({overhead} bytes of VXLAN)" if overhead else ""
            )
            smaller = link.mtu - overhead
            other = f", or write cni: mtu: {smaller}" if cluster.spec.cni.mtu and smaller >= IPV6_MINIMUM_MTU else ""
            yield Violation(
                "mtu", message, f"run `ip link set {link.name} mtu {max(wanted + overhead, 1500)}` if the network supports this MTU{other}"
            )


@host_rule("default-route-at-risk")
def default_route_survives_forwarding(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The kernel would remove an IPv6 default route from router advertisements when forwarding is enabled, because accept_ra is not 2 (talos#5632, kops#12418)."""
    if Family.IPV6 not in cluster.spec.families or cluster.spec.prepare.accept_ra:
        return
    for route in facts.default_routes:
        link = facts.link(route.interface)
        # 0: a daemon in user space handles the advertisements
        if route.family is Family.IPV6 and route.protocol == "ra" and link is not None and link.accept_ra == 1:
            message = f"the default route of {link.name} comes from router advertisements and accept_ra is 1: enabling forwarding removes this route"
            yield Violation(
                "accept_ra", message, f"run `sysctl -w net.ipv6.conf.{link.name}.accept_ra=2`, or write `prepare: {{accept_ra: true}}`"
            )


def _word(family: Family) -> str:
    return "IPv4" if family is Family.IPV4 else "IPv6"


def _version(facts: HostFacts) -> str:
    return ".".join(str(part) for part in facts.kernel)
