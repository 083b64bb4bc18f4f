"""Ports of the cluster components: free, or in use by this cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cluster.facts.host_facts import HostFacts, Socket
from cluster.kubeadm.component_settings import control_plane_ports, kubelet_port, proxy_health_port
from cluster.pod_networks.plugins import POD_NETWORKS, pod_network
from cluster.rules.inspected import Inspected
from cluster.rules.on_facts.conflicts import another_cluster
from cluster.rules.registry import host_rule
from cluster.vocabulary.hostport import api_bind_port, join_host_port
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.spec import Host, Role

_ALL_ROLES = (Role.CONTROL_PLANE, Role.WORKER)

# Process names of the cluster in /proc/PID/comm, which has 15 characters.
_OUR_PROCESSES = {
    *("kube-apiserver", "kube-controller", "kube-scheduler", "kube-proxy", "kubelet", "etcd"),
    *(process for plugin in POD_NETWORKS.values() for process in plugin.leftovers.processes),
}


@dataclass(frozen=True, slots=True)
class Listener:
    """A port that a component of the cluster listens on."""

    protocol: str
    port: int
    part: str
    peers: tuple[Role, ...]  # other hosts of these roles must reach the port


def api_port(cluster: Inspected) -> int:
    """The port that kube-apiserver listens on."""
    own = [address for control_plane in cluster.spec.control_planes for address in cluster.addresses(control_plane)]
    return api_bind_port(cluster.spec.control_plane, own)


def listeners(cluster: Inspected, host: Host) -> tuple[Listener, ...]:
    """All ports that the cluster needs on this host."""
    ports = [
        Listener("tcp", *kubelet_port(cluster.spec), (Role.CONTROL_PLANE,)),
        Listener("tcp", *proxy_health_port(cluster.spec), ()),
    ]
    if host.role is Role.CONTROL_PLANE:
        ports.append(Listener("tcp", api_port(cluster), "kube-apiserver", _ALL_ROLES))
        ports += [Listener("tcp", *port, ()) for port in control_plane_ports(cluster.spec)]
    plugin = pod_network(cluster.spec)
    port = plugin.vxlan_port(cluster.spec)
    if port is not None and plugin.vxlan_families(cluster.spec):
        ports.append(Listener("udp", port, "VXLAN", _ALL_ROLES))
    ports += [Listener("tcp", local.port, local.part, ()) for local in plugin.local_ports]
    return tuple(ports)


@host_rule("port-busy")
def ports_are_free(cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """A port that the cluster needs is in use, so kubeadm refuses to start."""
    if another_cluster(cluster, host, facts) is not None:
        return  # the ports belong to that cluster
    for listener in listeners(cluster, host):
        sockets = [
            socket
            for socket in facts.sockets
            if (socket.protocol, socket.port) == (listener.protocol, listener.port) and not _owned(cluster, facts, socket)
        ]
        if sockets:
            programs = ", ".join(dict.fromkeys(_in_words(socket) for socket in sockets))
            message = f"port {listener.port}/{listener.protocol}, which {listener.part} needs, is in use by {programs}"
            flag = "t" if listener.protocol == "tcp" else "u"
            yield Violation("ports", message, f"stop the program that `ss -ln{flag}p sport = :{listener.port}` shows on the host")


def _owned(cluster: Inspected, facts: HostFacts, socket: Socket) -> bool:
    # sockets of the kernel (VXLAN) have no process; without ss no socket has one
    return cluster.owns(facts) and (socket.process in _OUR_PROCESSES or socket.process == "")


def _in_words(socket: Socket) -> str:
    program = socket.process or "an unnamed program (or the kernel)"
    if socket.address is not None:
        return f"{program} on {join_host_port(socket.address, socket.port)}"
    return f"{program} on every {'IPv4 ' if socket.family == 'ipv4' else 'IPv6 ' if socket.family == 'ipv6' else ''}address"
