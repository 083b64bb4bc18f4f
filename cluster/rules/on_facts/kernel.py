"""Capabilities of the kernel and its links: NAT, modules, kube-proxy's mode, VXLAN, MTU, IPv6, router advertisements."""

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


def links_with_advertisements(facts: HostFacts) -> tuple[str, ...]:
    """Links with a default route or an address that the kernel keeps only while it accepts router advertisements.

    With accept_ra 0 a daemon in user space handles the advertisements.
    """
    routes = {route.interface for route in facts.default_routes if route.family is Family.IPV6 and route.protocol == "ra"}
    return tuple(
        link.name
        for link in facts.links
        if link.accept_ra not in (None, 0) and (link.name in routes or any(entry.from_router_advertisements for entry in link.addresses))
    )


@host_rule("default-route-at-risk")
def default_route_survives_forwarding(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The kernel would remove an IPv6 default route from router advertisements when forwarding is enabled, because accept_ra is not 2 (talos#5632, kops#12418)."""
    for route in facts.default_routes:
        if route.family is Family.IPV6 and route.protocol == "ra" and route.interface in _links_at_risk(cluster, facts):
            message = f"the default route of {route.interface} comes from router advertisements and accept_ra is 1: enabling forwarding removes this route"
            yield Violation("accept_ra", message, _accept_ra_hint(route.interface))


@host_rule("address-at-risk")
def addresses_survive_forwarding(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The kernel would remove an IPv6 address from router advertisements at the end of its lifetime, hours after forwarding is enabled, because
    accept_ra is not 2 (systemd#27639)."""
    for name in _links_at_risk(cluster, facts):
        link = facts.link(name)
        addresses = [str(entry.address) for entry in link.addresses if entry.from_router_advertisements] if link is not None else []
        if addresses:
            message = (
                f"{', '.join(addresses)} of {name} comes from router advertisements and accept_ra is 1: with forwarding, the kernel ignores "
                "advertisements, and the address disappears after its lifetime"
            )
            yield Violation("accept_ra", message, _accept_ra_hint(name))


def _links_at_risk(cluster: Inspected, facts: HostFacts) -> tuple[str, ...]:
    if Family.IPV6 not in cluster.spec.families or cluster.spec.prepare.accept_ra:
        return ()
    return tuple(name for name in links_with_advertisements(facts) if (link := facts.link(name)) is not None and link.accept_ra == 1)


def _accept_ra_hint(link: str) -> str:
    return f"run `sysctl -w net.ipv6.conf.{link}.accept_ra=2`, or write `prepare: {{accept_ra: true}}`"


@host_rule("ipv6-disabled")
def ipv6_is_on(cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """IPv6 is disabled on a link that the cluster needs, or on new links such as those of pods (containernetworking/cni#531)."""
    if Family.IPV6 not in cluster.spec.families:
        return
    own = {link.name for address in cluster.addresses(host) if (link := facts.link_of(address)) is not None}
    links = [link.name for link in facts.links if link.ipv6_disabled and (link.kind == "loopback" or link.name in own)]
    if names := [*facts.ipv6_disabled, *links]:
        keys = [f"net.ipv6.conf.{name.replace('.', '/')}.disable_ipv6" for name in names]
        what = ", ".join("new links" if name == "default" else "all links" if name == "all" else name for name in names)
        commands = " ".join(f"{key}=0" for key in keys)
        yield Violation(
            "ipv6",
            f"IPv6 is disabled on {what}: {', '.join(keys)} is 1",
            f"run `sysctl -w {commands}`, and remove the settings from /etc/sysctl.d",
        )


@host_rule("kernel-module-missing")
def kernel_has_the_modules(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The kernel does not have, and cannot load, a module that containerd or the pod network needs (flannel#1502)."""
    for module, use in _modules(cluster).items():
        if module in facts.modules_off:
            message = f"modprobe.d disables kernel module {module}, which {use}"
            yield Violation(
                "kernel", message, f"find the line with `grep -r 'install {module}' /etc/modprobe.d /usr/lib/modprobe.d`, and remove it"
            )
        elif facts.kernel_modules.get(module) is False:
            system = operating_system(facts)
            hint = f"install a kernel with this module{system.kernel_modules_hint}, and kmod if `modprobe {module}` is not found"
            yield Violation("kernel", f"the kernel has no module {module}, which {use}", hint)


@host_rule("kernel-module-unknown", Severity.WARNING)
def kernel_says_whether_it_has_the_modules(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The facts do not show whether the kernel has a module that containerd or the pod network needs."""
    unknown = [module for module in _modules(cluster) if module in facts.kernel_modules and facts.kernel_modules[module] is None]
    if unknown:
        message = f"unknown whether the kernel has {', '.join(unknown)}: the host has no modprobe and no kernel configuration"
        yield Violation("kernel", message, f"run on the host: {operating_system(facts).install_hint(['modprobe'])}")


def _modules(cluster: Inspected) -> dict[str, str]:
    """The modules that the cluster needs, and what needs them."""
    plugin = pod_network(cluster.spec)
    modules = {"overlay": "containerd needs for the file systems of containers"}
    if plugin.vxlan_families(cluster.spec):
        modules["vxlan"] = f"{plugin.title} needs for the network between nodes"
    if plugin.needs_bridge_filter:
        modules["br_netfilter"] = f"{plugin.title} needs"
    return modules


def _word(family: Family) -> str:
    return "IPv4" if family is Family.IPV4 else "IPv6"


def _version(facts: HostFacts) -> str:
    return ".".join(str(part) for part in facts.kernel)
