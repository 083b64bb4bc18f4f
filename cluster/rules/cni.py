"""The pod network plug-in's settings."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.rules.registry import Finding, rule
from cluster.spec import ClusterSpec, CniKind

# kube-apiserver, --service-node-port-range
_NODE_PORTS = range(30000, 32768)


@rule("vxlan-port-is-node-port")
def vxlan_port_is_no_node_port(spec: ClusterSpec) -> Iterator[Finding]:
    """VXLAN's UDP port lies outside of the node ports, any of which a service may take."""
    if spec.cni.kind is CniKind.FLANNEL and spec.cni.vxlan_port in _NODE_PORTS:
        says = f"{spec.cni.vxlan_port} is within the node ports {_NODE_PORTS.start} to {_NODE_PORTS.stop - 1}"
        yield Finding("cni.vxlan_port", says, "use 8472, or another port outside of them")
