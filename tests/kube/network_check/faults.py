"""Faults of a cluster's network on real lab hosts, and the expected result of each fault."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from cluster.file.reader import read_document
from cluster.network.checks import CheckKind, Layer
from cluster.network.expected import ExpectedNetwork
from cluster.vocabulary.families import Family, family_of
from cluster.vocabulary.labels import KEYS
from kube.client import KubeApi, connect
from lab import hosts
from tests.conftest import LAB, MadeCluster


@contextmanager
def lab_api(made: MadeCluster) -> Iterator[KubeApi]:
    """A made cluster's API, over the lab's bridge."""
    config = hosts.run_in(str(made.document["hosts"][0]["name"]), ["cat", "/etc/kubernetes/admin.conf"], LAB).stdout

    def dial(host: str, port: int) -> socket.socket:
        return socket.create_connection((host, port), timeout=None)

    with connect(config, dial) as api:
        yield api


def expected_of(made: MadeCluster) -> ExpectedNetwork:
    """The expected network of the cluster file."""
    spec = read_document(made.document).spec
    assert spec is not None
    return ExpectedNetwork.of(spec)


@dataclass(frozen=True)
class Cluster:
    """The cluster for a fault."""

    api: KubeApi
    expected: ExpectedNetwork

    @property
    def names(self) -> list[str]:
        """The nodes, by number."""
        return sorted(self.expected.nodes)

    @property
    def last(self) -> Family:
        """The secondary family."""
        return self.expected.families[-1]

    def sh(self, number: int, script: str) -> str:
        """Run a script on a node. The script must succeed."""
        done = hosts.run_in(self.names[number], ["sh", "-euc", script], LAB)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def pods_of(self, number: int, family: Family) -> str:
        """The pod range of one node."""
        node = self.api.get(f"/api/v1/nodes/{self.names[number]}")
        return next(str(cidr) for cidr in node["spec"]["podCIDRs"] if (":" in cidr) == (family is Family.IPV6))

    def coredns(self) -> list[int]:
        """The nodes with CoreDNS."""
        pods = self.api.get("/api/v1/namespaces/kube-system/pods", labelSelector="k8s-app=kube-dns")["items"]
        return sorted({self.names.index(pod["spec"]["nodeName"]) for pod in pods})


@dataclass(frozen=True)
class Fault:
    """A fault, and the exact result of a check."""

    put: Callable[[Cluster], AbstractContextManager[object]]
    layer: Layer
    nodes: Callable[[Cluster], tuple[str, ...]]
    families: Callable[[Cluster], set[Family]]
    subjects: frozenset[CheckKind | None] = frozenset({None})


def _word(family: Family) -> str:
    """The name of a family in nftables."""
    return "ip" if family is Family.IPV4 else "ip6"


def _at(number: int) -> Callable[[Cluster], tuple[str, ...]]:
    return lambda cluster: (cluster.names[number],)


def _the_last(cluster: Cluster) -> set[Family]:
    return {cluster.last}


def _all(cluster: Cluster) -> set[Family]:
    return set(cluster.expected.families)


@contextmanager
def _ruled(cluster: Cluster, number: int, hook: str, *rules: str) -> Iterator[None]:
    """nftables rules before all other rules."""
    table = f"inet broken_{hook}"
    lines = "; ".join(f"add rule {table} drops {rule}" for rule in rules)
    cluster.sh(number, f"nft 'add table {table}; add chain {table} drops {{ type filter hook {hook} priority -300; }}; {lines}'")
    try:
        yield
    finally:
        cluster.sh(number, f"nft delete table {table}")


def overlay_dropped(cluster: Cluster) -> AbstractContextManager[object]:
    """The tunnel of one family does not reach the third node."""
    return _ruled(cluster, 2, "input", f"meta nfproto {cluster.last} udp dport 8472 drop")


def machines_cut_off(cluster: Cluster) -> AbstractContextManager[object]:
    """A firewall on the second node drops packets of other nodes in one family, except the tunnel and the traffic that keeps a node Ready."""
    others = [address for name in cluster.names if name != cluster.names[1] for address in cluster.expected.nodes[name]]
    source = f"{_word(cluster.last)} saddr {{ {', '.join(str(address) for address in others if family_of(address) is cluster.last)} }}"
    passed = ["tcp sport 6443", "tcp dport 10250", "udp dport 8472"]
    if cluster.last is Family.IPV6:
        passed.append("icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }")
    return _ruled(cluster, 1, "input", *(f"{source} {what} accept" for what in passed), f"{source} drop")


def port_dropped(cluster: Cluster) -> AbstractContextManager[object]:
    """A firewall on the second node drops one TCP port."""
    return _ruled(cluster, 1, "input", f"meta nfproto {cluster.last} tcp dport 29417 drop")


@contextmanager
def route_lost(cluster: Cluster) -> Iterator[None]:
    """The third node has no route to the pods of the second node."""
    version, pods = "-4" if cluster.last is Family.IPV4 else "-6", cluster.pods_of(1, cluster.last)
    route = cluster.sh(2, f"ip {version} route show {pods}").strip()
    assert route
    cluster.sh(2, f"ip {version} route del {route}")
    try:
        yield
    finally:
        cluster.sh(2, f"ip {version} route replace {route}")


# what pods and nodes have learnt of a path's MTU, which they would remember for ten minutes
_FORGET = "for pid in 1 $(pgrep -x agnhost); do for family in -4 -6; do nsenter -t $pid -n ip $family route flush cache; done; done"


@contextmanager
def _mtu(cluster: Cluster, number: int, link: str, mtu: int) -> Iterator[None]:
    was = cluster.sh(number, f"cat /sys/class/net/{link}/mtu").strip()
    cluster.sh(number, f"ip link set {link} mtu {mtu}")
    try:
        yield
    finally:
        cluster.sh(number, f"ip link set {link} mtu {was}")
        for other in range(len(cluster.names)):
            cluster.sh(other, _FORGET)


def tunnel_too_small(cluster: Cluster) -> AbstractContextManager[object]:
    """The MTU of the tunnel's device on the third node is smaller than that of the pods."""
    return _mtu(cluster, 2, "flannel.1" if cluster.last is Family.IPV4 else "flannel-v6.1", 1300)


def link_too_small(cluster: Cluster) -> AbstractContextManager[object]:
    """The MTU of the second node's link is smaller than the packets of the tunnel: every full packet is fragmented."""
    return _mtu(cluster, 1, "host0", 1400)


@contextmanager
def coredns_hangs(cluster: Cluster) -> Iterator[None]:
    """CoreDNS runs but does not answer."""
    for number in cluster.coredns():
        cluster.sh(number, "pkill -STOP -x coredns")
    try:
        yield
    finally:
        for number in cluster.coredns():
            cluster.sh(number, "pkill -CONT -x coredns")


def _without_coredns(cluster: Cluster) -> int:
    """The last node without CoreDNS: on a node with CoreDNS, all queries arrive."""
    taken = cluster.coredns()
    return max(number for number in range(len(cluster.names)) if number not in taken)


@contextmanager
def dns_blocked(cluster: Cluster) -> Iterator[None]:
    """A firewall on a node drops DNS queries."""
    rule, number = "meta l4proto { tcp, udp } th dport 53 drop", _without_coredns(cluster)
    with _ruled(cluster, number, "prerouting", rule), _ruled(cluster, number, "output", rule):
        yield


@contextmanager
def _stopped(cluster: Cluster, number: int, program: str) -> Iterator[None]:
    cluster.sh(number, f"pkill -STOP -x {program}")
    try:
        yield
    finally:
        cluster.sh(number, f"pkill -CONT -x {program}")


@contextmanager
def _without_tables(cluster: Cluster, number: int, tables: list[str]) -> Iterator[None]:
    for position, table in enumerate(tables):
        cluster.sh(number, f"nft list table {table} > /run/broken-{position}; nft delete table {table}")
    try:
        yield
    finally:
        for position in range(len(tables)):
            cluster.sh(number, f"nft -f /run/broken-{position}; rm /run/broken-{position}")


@contextmanager
def proxy_dead(cluster: Cluster) -> Iterator[None]:
    """kube-proxy on the second node hangs, and its rules are removed."""
    tables = [f"{_word(family)} kube-proxy" for family in cluster.expected.families]
    with _stopped(cluster, 1, "kube-proxy"), _without_tables(cluster, 1, tables):
        yield


def node_ports_blocked(cluster: Cluster) -> AbstractContextManager[object]:
    """A firewall on the second node drops NodePorts from other machines."""
    return _ruled(cluster, 1, "prerouting", f"meta nfproto {cluster.last} tcp dport 30000-32767 drop")


@contextmanager
def label_wrong(cluster: Cluster) -> Iterator[None]:
    """The third node has the label of another node."""
    key, path = KEYS[cluster.last], f"/api/v1/nodes/{cluster.names[2]}"
    was = cluster.expected.labels[cluster.names[2]][key]
    cluster.api.merge(path, {"metadata": {"labels": {key: cluster.expected.labels[cluster.names[0]][key]}}})
    try:
        yield
    finally:
        cluster.api.merge(path, {"metadata": {"labels": {key: was}}})


@contextmanager
def masquerade_lost(cluster: Cluster) -> Iterator[None]:
    """flannel on the second node hangs and its rules are removed: pods use their own source addresses."""
    family = cluster.last
    with _stopped(cluster, 1, "flanneld"), _without_tables(cluster, 1, [f"{_word(family)} flannel-{family}"]):
        yield


@contextmanager
def forwarding_off(cluster: Cluster) -> Iterator[None]:
    """The third node does not forward packets of one family."""
    setting = "net.ipv4.ip_forward" if cluster.last is Family.IPV4 else "net.ipv6.conf.all.forwarding"
    cluster.sh(2, f"sysctl -qw {setting}=0")
    try:
        yield
    finally:
        cluster.sh(2, f"sysctl -qw {setting}=1")


_MTU = frozenset({CheckKind.MTU})

FAULTS = {
    "overlay dropped": Fault(overlay_dropped, Layer.POD_NETWORK, _at(2), _the_last),
    "machines cut off": Fault(machines_cut_off, Layer.NODE_NETWORK, _at(1), _the_last),
    "port dropped": Fault(port_dropped, Layer.NODE_NETWORK, _at(1), _the_last),
    "route lost": Fault(route_lost, Layer.POD_NETWORK, lambda cluster: (cluster.names[1], cluster.names[2]), _the_last),
    "forwarding off": Fault(forwarding_off, Layer.POD_NETWORK, _at(2), _the_last),
    "CoreDNS hangs": Fault(coredns_hangs, Layer.DNS, lambda _: (), _all),
    "DNS blocked": Fault(dns_blocked, Layer.DNS, lambda cluster: (cluster.names[_without_coredns(cluster)],), _all),
    "kube-proxy dead": Fault(proxy_dead, Layer.SERVICE, _at(1), _all),
    "NodePorts blocked": Fault(node_ports_blocked, Layer.SERVICE, _at(1), _the_last),
    "label wrong": Fault(label_wrong, Layer.LABELS, _at(2), lambda _: set()),
    "masquerade lost": Fault(masquerade_lost, Layer.EGRESS, _at(1), _the_last, frozenset({CheckKind.SOURCE_ADDRESS})),
    "tunnel too small": Fault(tunnel_too_small, Layer.POD_NETWORK, _at(2), _the_last, _MTU),
    "link too small": Fault(link_too_small, Layer.POD_NETWORK, _at(1), _all, _MTU),
}
