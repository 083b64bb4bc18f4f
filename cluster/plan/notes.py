"""Notes of a plan: what was found and is not changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cluster.facts.cluster_state import ClusterState, NodeState
from cluster.facts.host_facts import HostFacts
from cluster.plan.unapplied import unapplied
from cluster.pod_networks.plugins import pod_network
from cluster.vocabulary.families import Address
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec, Role


def notes(spec: ResolvedSpec, facts: Mapping[str, HostFacts], state: ClusterState, absent: Sequence[str] = ()) -> Iterator[str]:
    """One sentence for each finding that the plan does not change. `absent`: names of hosts that were left out on purpose."""
    if absent:
        yield f"not inspected, because the run is limited to other hosts: {', '.join(absent)}"
        yield "the settings of the pod network are not compared with the file, because they depend on all hosts"
    for host in spec.hosts:
        if host.name not in facts and host.name not in absent:
            yield f"{host.name} was not reached: no step is planned for it"
    yield from unchanged_nodes(spec, state, absent)
    for host in spec.hosts:
        found = facts.get(host.name)
        if found is not None and host.role is Role.CONTROL_PLANE and found.kubernetes.kubelet_active and not state.nodes:
            yield f"the API server on {host.name} did not answer: the state of the nodes is unknown"
    if not pod_network(spec).installed and state.nodes and state.cni is None and not state.cni_detail:
        yield "the file has no pod network (cni: none) and none is installed: nodes stay NotReady until you apply one"
    yield from unapplied(spec, state)


def unchanged_nodes(spec: ResolvedSpec, state: ClusterState, absent: Sequence[str] = ()) -> Iterator[str]:
    """Nodes and remembered hosts that the file does not list, and nodes that their owner cordoned."""
    names = {*absent, *(host.name for host in spec.hosts)}
    for node in state.nodes:
        if node.name not in names:
            yield f"node {node.name} ({_listed(node.addresses)}) is in the cluster and not in the file: the node is kept"
            if not node.ready:
                yield lost_node(spec, node)
        elif node.unschedulable and not node.drain_unfinished:
            yield f"node {node.name} is cordoned and stays cordoned"
    for name in sorted(state.endpoints.keys() - names - {node.name for node in state.nodes}):
        yield (
            f"{name} was a host of the cluster. Its Node was deleted, and the file does not list it, but its machine may still have kubelet and "
            f"the files of sixstack: `sixstack remove {spec.name} {name}` resets it"
        )


def lost_node(spec: ClusterSpec, node: NodeState) -> str:
    """A node that the file does not list and that is not Ready: Kubernetes rolls the pod network out to it too, so that a roll-out does not end."""
    why = f": {node.reason}" if node.reason else ""
    return (
        f"node {node.name} is not Ready{why}. The roll-out of a pod network waits for it. "
        f"If its machine is lost: sixstack remove {spec.name} {node.name} --dead"
    )


def _listed(addresses: tuple[Address, ...]) -> str:
    return ", ".join(str(address) for address in addresses) or "no address"
