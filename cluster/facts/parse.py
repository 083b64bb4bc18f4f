"""Parse the output of the facts script into HostFacts. Each part of the script (templates/facts/PART.sh.j2) has one parser (cluster/facts/parsers/).

A missing or malformed part becomes an `Unknown` fact, which rules check. Truncated output, or output without the identity of the machine, is an
error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from cluster.facts.certificates import HostCertificates
from cluster.facts.host_facts import (
    BootSettings,
    HostFacts,
    Inotify,
    InstalledArtifacts,
    KernelOptions,
    KubernetesState,
    LinkManagers,
    UnitState,
    Unknown,
)
from cluster.facts.node_settings import NodeSettings
from cluster.facts.parsers import firewall, foreign, kubernetes, limits, machine, netfilter, network, own_state
from cluster.facts.parsers.boot_settings import boot_settings
from cluster.facts.parsers.certificates import FoundCertificates, certificates
from cluster.facts.parsers.link_managers import link_managers
from cluster.facts.parsers.node_settings import FoundSettings, node_settings
from cluster.facts.parsers.sections import sections_of
from cluster.facts.parsers.sockets import sockets
from cluster.vocabulary.control_characters import without_control
from cluster.vocabulary.errors import HostError

# Part of the script -> its parser, in the script's order.
PARTS: Mapping[str, Callable[[str], object]] = {
    "identity": machine.identity,
    "resources": machine.resources,
    "links": network.links,
    "routes": network.routing,
    "kernel-settings": network.kernel_settings,
    "resolver": network.resolver,
    "sockets": sockets,
    "netfilter": netfilter.netfilter,
    "kernel-modules": limits.kernel_modules,
    "boot-settings": boot_settings,
    "link-managers": link_managers,
    "cgroups": limits.cgroup_version,
    "inotify": limits.inotify,
    "mounts": limits.mounts,
    "packages": foreign.packages,
    "units": foreign.units,
    "programs": foreign.programs,
    "leftovers": foreign.leftovers,
    "sixstack": own_state.own_state,
    "bundle": own_state.installed_files,
    "images": own_state.images,
    "kubernetes": kubernetes.kubernetes,
    "ufw": firewall.ufw,
    "firewalld": firewall.firewalld,
    "nftables": firewall.nftables,
    "iptables": firewall.iptables,
}

# the parts with the files and images of the bundle
ARTIFACT_PARTS = ("bundle", "images")
# only for inspect-cluster: reads all installed files; not one of PARTS
SETTING_PARTS = ("node-settings",)
# the parts with certificates, and with the owner of the host; `certificates` is not one of PARTS
CERTIFICATE_PARTS = ("sixstack", "certificates")

_MOST_LINES = 300_000  # of a part: iptables of a cluster with ten thousand services has half of that

Parsed = TypeVar("Parsed")


@dataclass
class _Reading:
    """Parses sections, and collects each part that cannot be read in `unknown`."""

    sections: dict[str, str]
    unknown: list[Unknown] = field(default_factory=list)

    def read(self, part: str, parser: Callable[[str], Parsed], default: Parsed) -> Parsed:
        if part not in self.sections:
            self.unknown.append(Unknown(part, "the output of the facts script lacks this part"))
            return default
        if (lines := self.sections[part].count("\n")) > _MOST_LINES:
            self.unknown.append(Unknown(part, f"the host printed {lines:,} lines, and sixstack reads {_MOST_LINES:,}"))
            return default
        try:
            return parser(self.sections[part])
        # every error of a parser on malformed text: deeply nested JSON and a generator that ends early (RuntimeError), huge numbers
        except (ValueError, LookupError, TypeError, AttributeError, RuntimeError, ArithmeticError) as error:
            self.unknown.append(Unknown(part, without_control(f"{type(error).__name__}: {error}")[:200]))
            return default

    def read_all(self, part: str, parser: Callable[[str], tuple[Parsed, ...]]) -> tuple[Parsed, ...]:
        nothing: tuple[Parsed, ...] = ()
        return self.read(part, parser, nothing)


def parse(text: str, host: str, *, sent: float, received: float) -> HostFacts:
    """The facts of `host` (name in the cluster file) from the output of the script.

    `sent` and `received` are the local clock (seconds since 1970) before and after. HostError when the output is incomplete.
    """
    sections = _whole(text, host)
    try:
        identity = machine.identity(sections["identity"])
        begin, end = _moment(sections["begin"]), _moment(sections["end"])
        offset = clock_offset(begin, end, sent=sent, received=received)
        clock = datetime.fromtimestamp(end, UTC)
    except (ValueError, KeyError, ArithmeticError, OSError) as error:
        raise HostError(
            host, f"the facts script printed no valid identity or time: {error}", "Check that `uname -a; date +%s.%N` works on the host"
        ) from error

    reading = _Reading(sections)
    resources = reading.read("resources", machine.resources, machine.Resources())
    settings = reading.read("kernel-settings", network.kernel_settings, network.KernelSettings())
    kernel = reading.read("netfilter", netfilter.netfilter, netfilter.Netfilter())
    modules = reading.read(
        "kernel-modules", lambda text: limits.kernel_modules(text, sections.get("netfilter", "")), limits.KernelModules()
    )
    routing = reading.read("routes", network.routing, network.Routing())
    resolver = reading.read("resolver", network.resolver, network.Resolver())
    units = reading.read_all("units", foreign.units)
    state = reading.read("sixstack", own_state.own_state, own_state.OwnState())
    installed = reading.read("bundle", own_state.installed_files, own_state.InstalledFiles())
    return HostFacts(
        host=host,
        hostname=identity.hostname,
        machine_id=identity.machine_id,
        product_uuid=identity.product_uuid,
        os=identity.os,
        os_ids=identity.os_ids,
        kernel=identity.kernel,
        architecture=identity.architecture,
        cpus=resources.cpus,
        memory=resources.memory,
        swap=resources.swap,
        clock_offset=offset,
        root=identity.root,
        clock_uncertainty=timedelta(seconds=max(0.0, (received - sent) - (end - begin)) / 2),
        clock=clock,
        links=tuple(
            replace(link, accept_ra=settings.accept_ra.get(link.name), ipv6_disabled=link.name in settings.ipv6_disabled)
            for link in reading.read_all("links", network.links)
        ),
        default_routes=routing.default,
        routes=routing.others,
        nameservers=resolver.nameservers.get(resolver.file, ()),
        resolver_file=resolver.file,
        resolver_files=resolver.nameservers,
        forwarding=settings.forwarding,
        sockets=reading.read_all("sockets", sockets),
        nat=kernel.nat,
        nftables=kernel.nftables,
        tables_for_newer_nft=reading.read_all("nftables", firewall.tables_for_newer_nft),
        conflicts=foreign.foreign_conflicts(
            owned=state.owner is not None,
            installed=installed.paths,
            from_packages=reading.read_all("packages", foreign.packages),
            from_units=units,
            from_programs=reading.read_all("programs", foreign.programs),
            from_leftovers=reading.read_all("leftovers", foreign.leftovers),
        ),
        firewall=firewall.merge_rules(
            ufw=reading.read_all("ufw", firewall.ufw),
            firewalld=reading.read_all("firewalld", firewall.firewalld),
            nftables=reading.read_all("nftables", firewall.nftables),
            iptables=reading.read_all("iptables", firewall.iptables),
        ),
        missing_commands=resources.missing_commands,
        owner=state.owner,
        prepared=state.prepared,
        bundle_files=installed.intact,
        images=reading.read("images", own_state.images, frozenset()),
        disk_free=resources.disk_free,
        kubernetes=replace(
            reading.read("kubernetes", kubernetes.kubernetes, KubernetesState()),
            kubelet_active=any(unit.name == "kubelet.service" and unit.active for unit in units),
        ),
        steps=state.steps,
        foreign_authority=state.foreign_authority,
        test_host=state.test_host,
        changed_files=state.changed_files,
        hosts_entries=state.hosts_entries,
        units={
            unit.name: UnitState(unit.active, unit.enabled)
            for unit in units
            if unit.name in foreign.CLUSTER_UNITS and unit.enabled is not None
        },
        kernel_settings=settings.values,
        kernel_modules=modules.available,
        modules_off=modules.off,
        boot=reading.read("boot-settings", boot_settings, BootSettings()),
        link_managers=replace(
            reading.read("link-managers", link_managers, LinkManagers()),
            network_manager=any(unit.name == foreign.NETWORK_MANAGER and unit.active for unit in units),
            networkd=any(unit.name == foreign.NETWORKD and unit.active for unit in units),
        ),
        ipv6_disabled=tuple(name for name in ("all", "default") if name in settings.ipv6_disabled),
        cgroup_version=reading.read("cgroups", limits.cgroup_version, None),
        cgroup_controllers=reading.read("cgroups", limits.cgroup_controllers, None),
        kernel_options=reading.read("netfilter", limits.kernel_options, KernelOptions()),
        inotify=reading.read("inotify", limits.inotify, Inotify()),
        mounts=reading.read_all("mounts", limits.mounts),
        unknown=tuple(dict.fromkeys(reading.unknown)),  # two parsers of one part find one fault
    )


def parse_installed_artifacts(text: str, host: str) -> InstalledArtifacts:
    """The files and images of the bundle on `host`, from the output of ARTIFACT_PARTS. Unreadable parts count as empty. HostError as in `parse`."""
    reading = _Reading(_whole(text, host))
    installed = reading.read("bundle", own_state.installed_files, own_state.InstalledFiles())
    return InstalledArtifacts(installed.intact, reading.read("images", own_state.images, frozenset()))


def parse_node_settings(text: str, host: str) -> NodeSettings:
    """The settings of the node on `host`, from the output of SETTING_PARTS. HostError as in `parse`."""
    reading = _Reading(_whole(text, host))
    found = reading.read("node-settings", node_settings, FoundSettings())
    return NodeSettings(host, found.changed_files, found.kubelet, found.kubelet_flags, tuple(reading.unknown))


def parse_certificates(text: str, host: str) -> HostCertificates:
    """The certificates of `host`, from the output of CERTIFICATE_PARTS. HostError as in `parse`."""
    reading = _Reading(_whole(text, host))
    found = reading.read("certificates", certificates, FoundCertificates())
    return HostCertificates(
        host=host,
        owner=reading.read("sixstack", own_state.own_state, own_state.OwnState()).owner,
        files=found.files,
        authority_keys=found.authority_keys,
        started=found.started,
        unfinished_renewal="renewal" in found.unfinished,
        unfinished_kubelet="kubelet-renewal" in found.unfinished,
        unknown=tuple(reading.unknown),
    )


def _whole(text: str, host: str) -> dict[str, str]:
    """The sections of complete output. HostError when it is incomplete."""
    sections = sections_of(text)
    if "end" not in sections:
        last = next(reversed(sections), None)
        found = (
            f"the output of the facts script ends in the middle of part {last}"
            if last
            else f"the host did not run the facts script, its output is {text.strip()[:200]!r}"
        )
        raise HostError(host, found, "Check that `sh` runs on the host and that the disk is not full")
    return sections


def clock_offset(begin: float, end: float, *, sent: float, received: float) -> timedelta:
    """Clock of the host minus local clock, from the start and the end of the script, without half the round trip (as in NTP, RFC 5905)."""
    return timedelta(seconds=((begin - sent) + (end - received)) / 2)


def _moment(text: str) -> float:
    # date of busybox has no nanoseconds; whole seconds are precise enough for a limit of 30 s
    return float(text.strip().removesuffix(".%N"))
