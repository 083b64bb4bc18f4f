"""What kubeadm's preflight checks refused, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec

CODE = "preflight-refused"
SYSTEM_VERIFICATION = "SystemVerification"
NUM_CPU = "NumCPU"
MEM = "Mem"
# What SystemVerification demands of the kernel (k8s.io/system-validators 1.12.1, of Kubernetes 1.35 to 1.37): options of its configuration, each
# with other names, and controllers of its cgroups. cgroup v2 always has devices, and freezer since Linux 5.2.
_REQUIRED_OPTIONS = (
    *("NAMESPACES", "NET_NS", "PID_NS", "IPC_NS", "UTS_NS", "CPUSETS", "MEMCG", "INET", "EXT4_FS", "PROC_FS"),
    *("NETFILTER_XT_TARGET_REDIRECT", "NETFILTER_XT_MATCH_COMMENT", "FAIR_GROUP_SCHED"),
)
_REQUIRED_FOR_CGROUPS = {
    1: ("CGROUPS", "CGROUP_CPUACCT", "CGROUP_DEVICE", "CGROUP_FREEZER", "CGROUP_PIDS", "CGROUP_SCHED"),
    2: ("CGROUPS", "CGROUP_BPF", "CGROUP_PIDS", "CGROUP_SCHED"),
}
_OTHER_NAMES = {"NETFILTER_XT_TARGET_REDIRECT": "IP_NF_TARGET_REDIRECT"}
REQUIRED_CONTROLLERS = {
    1: ("cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"),
    2: ("cpu", "cpuset", "memory", "pids"),
}
# what the facts of a host look for
KERNEL_OPTIONS = tuple(sorted({*_REQUIRED_OPTIONS, *_OTHER_NAMES.values(), *_REQUIRED_FOR_CGROUPS[1], *_REQUIRED_FOR_CGROUPS[2]}))
# a message may have several lines
_REFUSED = re.compile(r"^\s*\[ERROR (?P<check>[^\]\s]+)\]: (?P<message>.*(?:\n(?!\s*\[|error: ).*)*)", re.MULTILINE)
_FAILED = re.compile(r"^(?:error|Error): (?P<message>.+)$", re.MULTILINE)

# first letters of a check's name -> what to do; the first that fits
_REMEDIES = {
    SYSTEM_VERIFICATION: "Boot this host with a kernel that has what kubeadm names, and with cgroup v2",
    NUM_CPU: "Add CPUs, or write `role: worker`",
    MEM: "Add memory, or write `role: worker`",
    "Port-": "Stop the program that `ss -lntp` shows on this port of the host",
    "FileAvailable-": "Move this file away: it belongs to another cluster, or is left from one",
    "DirAvailable-": "Move what is in this folder away: it belongs to another cluster, or is left from one",
    "FileExisting-": "Install the package of this program on the host",
    "FileContent-": "Find what sets this kernel setting (`grep -rs forward /etc/sysctl.conf /etc/sysctl.d /usr/lib/sysctl.d`), and remove it",
    "CRI": "Look into `journalctl -u containerd` on the host",
    "ContainerRuntimeVersion": "Look into `journalctl -u containerd` on the host",
    "KubeletVersion": "Look for another kubelet in the PATH of the host: `command -v kubelet`",
    "IsPrivilegedUser": "Log in as root, or as a user who can run every command with sudo",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A check that kubeadm made on a host, and what it printed. Without a name: kubeadm ended before or after its checks."""

    check: str
    message: str


def is_ignored(spec: ClusterSpec, check: str) -> bool:
    """Whether the cluster file tells kubeadm to ignore a check. kubeadm compares names without their case."""
    return bool({"all", check.lower()} & {name.lower() for name in spec.kubeadm.ignore_preflight})


def missing_options(found: Collection[str], cgroup_version: int) -> tuple[str, ...]:
    """The options that SystemVerification demands and a kernel does not have."""
    required = (*_REQUIRED_OPTIONS, *_REQUIRED_FOR_CGROUPS[cgroup_version])
    return tuple(name for name in required if name not in found and _OTHER_NAMES.get(name) not in found)


def refusals(output: str) -> tuple[Refusal, ...]:
    """All refusals in what kubeadm printed; its last words when it made no check."""
    found = [Refusal(match["check"], _one_line(match["message"])) for match in _REFUSED.finditer(output)]
    if not found:
        failed = _FAILED.findall(output) or [line for line in output.splitlines() if line.strip()][-1:]
        found = [Refusal("", _one_line(message)) for message in failed[-1:]] or [Refusal("", "kubeadm printed nothing")]
    return tuple(dict.fromkeys(found))


def refusal_problems(host: str, found: Collection[Refusal]) -> Iterator[Problem]:
    """A problem for each refusal on a host."""
    for refusal in found:
        at = f"hosts/{host}/preflight" + (f"/{refusal.check}" if refusal.check else "")
        remedy = next((text for start, text in _REMEDIES.items() if refusal.check.startswith(start)), "Do on the host what kubeadm says")
        ignore = f", or let kubeadm ignore it with `kubeadm: {{ignore_preflight: [{refusal.check}]}}`" if refusal.check else ""
        yield Problem(CODE, at, f"kubeadm: {refusal.message}", f"{remedy}{ignore}. Then run again.")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:1000]
