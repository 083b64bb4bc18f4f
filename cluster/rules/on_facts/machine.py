"""Requirements of a machine: root, CPUs, memory, disk, architecture, commands, no swap."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.facts.host_facts import HostFacts
from cluster.kubeadm.component_settings import is_false, kubelet_setting
from cluster.kubeadm.preflight import MEM, NUM_CPU, is_ignored
from cluster.operating_systems.detection import operating_system
from cluster.rules.inspected import Inspected
from cluster.rules.registry import host_rule
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.spec import Host, Role

CONTROL_PLANE_CPUS = 2  # kubeadm's own limits (NumCPU, Mem)
CONTROL_PLANE_MEBIBYTES = 1700
_MIB = 2**20


@host_rule("facts-unknown")
def the_vital_facts_are_known(_cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """Facts that decide whether the host can be used could not be read."""
    for unknown in facts.unknown:
        if unknown.part not in _OPTIONAL_PARTS:
            yield Violation("facts", f"part {unknown.part} of the facts could not be read: {unknown.reason}", _unknown_hint(facts))


_OPTIONAL_PARTS = {
    *("resolver", "netfilter", "ufw", "firewalld", "nftables", "iptables", "images"),
    *("kernel-modules", "boot-settings", "link-managers", "cgroups", "inotify", "mounts"),
}


@host_rule("facts-incomplete", Severity.WARNING)
def the_other_facts_are_known(_cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """Facts for optional checks could not be read, so these checks did not run."""
    for unknown in facts.unknown:
        if unknown.part in _OPTIONAL_PARTS:
            yield Violation("facts", f"part {unknown.part} of the facts could not be read: {unknown.reason}", _unknown_hint(facts))


def _unknown_hint(facts: HostFacts) -> str:
    if facts.missing_commands:
        return f"install the missing commands: {', '.join(facts.missing_commands)}"
    return "compare this host with the others; if you find no difference, report a bug"


@host_rule("not-root")
def commands_run_as_root(_cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """Commands do not run as root, neither directly nor with sudo."""
    if not facts.root:
        yield Violation(
            "ssh",
            f"commands of user {host.ssh.user} do not run as root",
            "log in as root, or as a user who can run every command with sudo",
        )


@host_rule("too-few-cpus")
def control_planes_have_cpus(cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """A control plane has fewer than 2 CPUs, and the file does not let kubeadm ignore it (NumCPU)."""
    if host.role is Role.CONTROL_PLANE and 0 < facts.cpus < CONTROL_PLANE_CPUS and not is_ignored(cluster.spec, NUM_CPU):
        message = f"the host has {facts.cpus} CPU, but a control plane needs {CONTROL_PLANE_CPUS}"
        yield Violation("cpus", message, f"add CPUs, or write role: worker or `kubeadm: {{ignore_preflight: [{NUM_CPU}]}}`")


@host_rule("too-little-memory")
def control_planes_have_memory(cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """A control plane has less than 1700 MB of memory, and the file does not let kubeadm ignore it (Mem)."""
    mebibytes = facts.memory // _MIB
    if host.role is Role.CONTROL_PLANE and 0 < mebibytes < CONTROL_PLANE_MEBIBYTES and not is_ignored(cluster.spec, MEM):
        message = f"the host has {mebibytes} MB of memory, but a control plane needs {CONTROL_PLANE_MEBIBYTES} MB"
        hint = f"add memory (2 GB or more), or write role: worker or `kubeadm: {{ignore_preflight: [{MEM}]}}`"
        yield Violation("memory", message, hint)


@host_rule("swap-on")
def swap_is_off(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """Swap is on, and the file does not permit switching it off. The kubelet does not start with swap."""
    tolerated = is_false(kubelet_setting(cluster.spec, "failSwapOn", "fail-swap-on"))
    if facts.swap and not cluster.spec.prepare.swap_off and not tolerated:
        hint = "switch swap off (`swapoff -a`, and remove it from /etc/fstab), or write `prepare: {swap_off: true}`"
        yield Violation("swap", f"swap is on: {', '.join(facts.swap)}", hint)


@host_rule("wrong-architecture")
def architecture_is_the_bundles(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The bundle is for another architecture than the host."""
    if facts.architecture != cluster.bundle_architecture:
        message = f"the host is {facts.architecture}, but the bundle {cluster.spec.bundle} is for {cluster.bundle_architecture}"
        yield Violation(
            "architecture", message, f"use a bundle for {facts.architecture}: `sixstack bundle fetch --architecture {facts.architecture}`"
        )


@host_rule("too-little-disk")
def the_bundle_fits(cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """/var/lib has too little free space for the bundle: files, images, and unpacked images."""
    needed = 3 * cluster.bundle_size
    if facts.prepared is None and 0 < facts.disk_free < needed:
        message = f"{facts.disk_free // _MIB} MB are free under /var/lib, but the bundle needs {needed // _MIB} MB unpacked"
        yield Violation("disk", message, "free disk space (`df -h /var/lib`), or mount a larger file system at /var/lib/containerd")


@host_rule("command-missing")
def commands_are_there(_cluster: Inspected, _host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The host lacks a command that kubeadm or sixstack needs."""
    if facts.missing_commands:
        hint = operating_system(facts).install_hint(facts.missing_commands)
        yield Violation("commands", f"the host has no {', '.join(facts.missing_commands)}", hint)
