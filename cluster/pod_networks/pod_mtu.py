"""How large pods' packets may be: what the links carry, less what VXLAN puts in front."""

from __future__ import annotations

from collections.abc import Mapping

from cluster.facts.host_facts import HostFacts
from cluster.vocabulary.families import Family
from cluster.vocabulary.spec import ClusterSpec, CniKind

# Bytes that VXLAN puts in front of a packet, by the family of the node addresses it travels between.
VXLAN_OVERHEAD = {Family.IPV4: 50, Family.IPV6: 70}


def with_pod_mtu(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> ClusterSpec:
    """The spec with the pods' MTU, where Flannel would choose one that is too large.

    Flannel takes 50 bytes off its link's MTU in either family (flannel-io/flannel, pkg/backend/vxlan/device.go); over IPv6 VXLAN needs 70, and
    the first large packet of every connection is refused. With IPv6 the MTU is therefore named: the smallest link's, less 70. The addresses
    of the hosts must be known.
    """
    if spec.cni.kind is not CniKind.FLANNEL or spec.cni.mtu is not None or Family.IPV6 not in spec.vxlan_families:
        return spec
    links = [facts[host.name].link_of(address) for host in spec.hosts if host.name in facts for address in host.addresses]
    mtus = [link.mtu for link in links if link is not None]
    if not mtus:
        return spec
    return spec.model_copy(update={"cni": spec.cni.model_copy(update={"mtu": min(mtus) - VXLAN_OVERHEAD[Family.IPV6]})})
