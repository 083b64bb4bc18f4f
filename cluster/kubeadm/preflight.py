"""What kubeadm's preflight checks refused, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec

SYSTEM_VERIFICATION = "SystemVerification"
NUM_CPU = "NumCPU"
MEM = "Mem"
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
        yield Problem("preflight-refused", at, f"kubeadm: {refusal.message}", f"{remedy}{ignore}. Then run again.")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:1000]
