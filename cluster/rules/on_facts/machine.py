"""What a machine must be: root, CPUs, memory, disk, architecture, commands, no swap (rule 31)."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.facts.host_facts import HostFacts
from cluster.rules.on_facts.rule import Inspected, host_rule
from cluster.rules.rule import Finding
from cluster.vocabulary.problems import Severity
from cluster.vocabulary.spec import Host, Role

CONTROL_PLANE_CPUS = 2  # kubeadm's own limits (NumCPU, Mem)
CONTROL_PLANE_MEBIBYTES = 1700
_MIB = 2**20


@host_rule("facts-unknown")
def the_vital_facts_are_known(_cluster: Inspected, _host: Host, found: HostFacts) -> Iterator[Finding]:
    """What decides whether a host can be used could be read from it."""
    for unknown in found.unknown:
        if unknown.part not in _BEARABLE:
            yield Finding("facts", f"part {unknown.part} of its facts could not be read: {unknown.reason}", _cure(found))


_BEARABLE = {"resolver", "netfilter", "ufw", "firewalld", "nftables", "iptables", "images"}


@host_rule("facts-incomplete", Severity.WARNING)
def the_other_facts_are_known(_cluster: Inspected, _host: Host, found: HostFacts) -> Iterator[Finding]:
    """What only warns of trouble could be read from it; nothing is said of it otherwise."""
    for unknown in found.unknown:
        if unknown.part in _BEARABLE:
            yield Finding("facts", f"part {unknown.part} of its facts could not be read: {unknown.reason}", _cure(found))


def _cure(found: HostFacts) -> str:
    if found.missing_commands:
        return f"install what it lacks: {', '.join(found.missing_commands)}"
    return "see what is different about this host; if nothing is, report it as a bug"


@host_rule("not-root")
def commands_run_as_root(_cluster: Inspected, host: Host, found: HostFacts) -> Iterator[Finding]:
    """Commands run as root, directly or by sudo."""
    if not found.root:
        yield Finding(
            "ssh", f"commands of user {host.ssh.user} do not run as root", "log in as root, or as a user who may use sudo for everything"
        )


@host_rule("too-few-cpus")
def control_planes_have_cpus(_cluster: Inspected, host: Host, found: HostFacts) -> Iterator[Finding]:
    """A control plane has at least 2 CPUs (kubeadm)."""
    if host.role is Role.CONTROL_PLANE and 0 < found.cpus < CONTROL_PLANE_CPUS:
        yield Finding(
            "cpus", f"{found.cpus} CPU, a control plane needs {CONTROL_PLANE_CPUS}", "give the machine another CPU, or make it a worker"
        )


@host_rule("too-little-memory")
def control_planes_have_memory(_cluster: Inspected, host: Host, found: HostFacts) -> Iterator[Finding]:
    """A control plane has at least 1700 MB of memory (kubeadm)."""
    mebibytes = found.memory // _MIB
    if host.role is Role.CONTROL_PLANE and 0 < mebibytes < CONTROL_PLANE_MEBIBYTES:
        says = f"{mebibytes} MB of memory, a control plane needs {CONTROL_PLANE_MEBIBYTES} MB"
        yield Finding("memory", says, "give the machine more memory (2 GB or more), or make it a worker")


@host_rule("swap-on")
def swap_is_off(cluster: Inspected, _host: Host, found: HostFacts) -> Iterator[Finding]:
    """No swap is in use, unless the file says that it may be switched off: kubelet does not start with it."""
    tolerated = cluster.spec.kubeadm.kubelet.get("failSwapOn") is False
    if found.swap and not cluster.spec.prepare.swap_off and not tolerated:
        hint = "switch it off (`swapoff -a`, and take it out of /etc/fstab), or write `prepare: {swap_off: true}`"
        yield Finding("swap", f"swap is on: {', '.join(found.swap)}", hint)


@host_rule("wrong-architecture")
def architecture_is_the_bundles(cluster: Inspected, _host: Host, found: HostFacts) -> Iterator[Finding]:
    """The bundle holds programs for the host's processor."""
    if found.architecture != cluster.bundle_architecture:
        says = f"it is {found.architecture}, the bundle {cluster.spec.bundle} is for {cluster.bundle_architecture}"
        yield Finding(
            "architecture", says, f"name a bundle for {found.architecture}: `sixstack bundle fetch --architecture {found.architecture}`"
        )


@host_rule("too-little-disk")
def the_bundle_fits(cluster: Inspected, _host: Host, found: HostFacts) -> Iterator[Finding]:
    """There is room under /var/lib for the bundle: the files, the images, and the images unpacked."""
    needed = 3 * cluster.bundle_size
    if found.prepared is None and 0 < found.disk_free < needed:
        says = f"{found.disk_free // _MIB} MB are free under /var/lib, the bundle needs {needed // _MIB} MB unpacked"
        yield Finding("disk", says, "make room (`df -h /var/lib`), or mount a larger file system at /var/lib/containerd")


_PACKAGE = {
    "ip": "iproute2",
    "mount": "mount",
    "losetup": "mount",
    "systemctl": "systemd",
    "systemd-run": "systemd",
    "flock": "util-linux",
    "gzip": "gzip",
    "tar": "tar",
}


@host_rule("command-missing")
def commands_are_there(_cluster: Inspected, _host: Host, found: HostFacts) -> Iterator[Finding]:
    """The commands that kubeadm and this project's own scripts call are there."""
    if found.missing_commands:
        packages = " ".join(sorted({_PACKAGE.get(command, "coreutils") for command in found.missing_commands}))
        yield Finding(
            "commands", f"it lacks {', '.join(found.missing_commands)}", f"`apt-get install {packages}` (or what your system calls them)"
        )
