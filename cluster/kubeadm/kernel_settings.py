"""Kernel settings of a cluster. templates/host/prepare.sh.j2 sets them, now and at boot."""

from __future__ import annotations

from cluster.vocabulary.families import Family
from cluster.vocabulary.spec import ClusterSpec

# the file in which they are set at boot
SYSCTL_FILE = "/etc/sysctl.d/90-sixstack.conf"


def sysctls(spec: ClusterSpec) -> dict[str, str]:
    """Kernel settings of the families in use. The script skips settings that the kernel does not have."""
    settings: dict[str, str] = {}
    if Family.IPV4 in spec.families:
        settings |= {
            "net.ipv4.ip_forward": "1",
            "net.ipv4.conf.default.forwarding": "1",
            "net.bridge.bridge-nf-call-iptables": "1",
        }
    if Family.IPV6 in spec.families:
        settings |= {
            "net.ipv6.conf.all.forwarding": "1",
            "net.ipv6.conf.default.forwarding": "1",
            "net.bridge.bridge-nf-call-ip6tables": "1",
        }
    return settings
