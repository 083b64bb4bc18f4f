"""The plan of remove-workers: each worker is drained, its Node is deleted, its host is reset, and the cluster forgets it.

A dead host is not drained and not reset: its Node is deleted, and the API server does not admit it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cluster.facts.cluster_state import NodeState
from cluster.facts.host_facts import HostFacts
from cluster.plan.delete import RESET_HOST, delete_problems
from cluster.plan.drain import DRAIN_NODE, DRAIN_SECONDS, drain_values
from cluster.plan.graph import Plan, PlanBuilder
from cluster.plan.values import reset_values
from cluster.vocabulary.errors import CannotApply
from cluster.vocabulary.hostport import join_host_port
from cluster.vocabulary.labels import CONTROL_PLANE_LABEL
from cluster.vocabulary.nearest import nearest_name
from cluster.vocabulary.parameters import seconds_problems, switch_problems
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.remembered_hosts import decode_endpoint
from cluster.vocabulary.spec import ClusterSpec, Host, Role

DENY_NODE = "deny-node"
DELETE_NODE = "delete-node"
FORGET_HOST = "forget-host"

# problems of a removal; docs/reference/problems.md lists them
NOT_REMOVED = {
    "removal-without-cluster": "A control plane of the file does not have this cluster, so its API server knows nothing of the workers.",
    "unknown-worker": "No host of the file, no node and no remembered host has this name.",
    "control-plane-not-removed": "The host is a control plane.",
    "no-ssh-endpoint": "The file does not list the host, and the cluster does not remember its SSH endpoint.",
    "host-answers": "The host is removed as dead, and answers as a member of the cluster.",
    "worker-of-another-cluster": "The machine of the host belongs to another cluster of the same name.",
    "another-node-at-endpoint": "The machine at the SSH endpoint of the host is another node of the cluster.",
    "kubelet-not-running": "The pods of the host cannot be drained, because its kubelet does not run.",
}


@dataclass(frozen=True, slots=True)
class Members:
    """What the API server knows of the hosts of a cluster."""

    nodes: tuple[NodeState, ...] = ()
    endpoints: Mapping[str, str] = field(default_factory=dict)  # remembered SSH endpoints, encoded, by node
    denied: frozenset[str] = frozenset()  # nodes that are not admitted
    authority: str | None = None  # of the cluster, as KubernetesState.ca_hash; None: not compared

    def node(self, name: str) -> NodeState | None:
        """The node with this name, or None."""
        return next((node for node in self.nodes if node.name == name), None)

    def knows(self, name: str) -> bool:
        """Whether anything of the host is left in the API server."""
        return self.node(name) is not None or name in self.endpoints or name in self.denied


@dataclass(frozen=True, slots=True)
class RemovalSettings:
    """How workers are removed."""

    dead: bool = False
    force: bool = False
    drain_seconds: int = DRAIN_SECONDS


class RemovalRefused(CannotApply):
    """Workers cannot be removed as requested. `problems` lists every reason."""

    headline = "no worker is removed, and nothing was changed"


def read_removal_parameters(hosts: Any, *, dead: Any, force: Any, drain_seconds: Any) -> tuple[tuple[str, ...], RemovalSettings]:
    """The names and the settings; RemovalRefused lists all problems. The parameters may have any type."""
    problems = []
    if not isinstance(hosts, list | tuple) or not hosts or not all(isinstance(name, str) and name for name in hosts):
        problems.append(Problem("wrong-type", "hosts", f"expected the names of workers, got {quoted(hosts)}", "write a list of names"))
    problems += [*switch_problems(dead=dead, force=force), *seconds_problems(drain_seconds=drain_seconds)]
    if problems:
        raise RemovalRefused(problems)
    return tuple(dict.fromkeys(hosts)), RemovalSettings(dead=dead, force=force, drain_seconds=drain_seconds)


def control_plane_problems(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> Iterator[Problem]:
    """Control planes that do not have the cluster of the file. Nodes of another cluster may have the names of its workers, and must stay."""
    for host in spec.control_planes:
        found = facts.get(host.name)
        if found is None or (found.owner == spec.name and found.kubernetes.admin_config and not found.foreign_authority):
            continue
        if found.owner == spec.name:
            has = "has another cluster's certificate authority" if found.foreign_authority else "has no finished control plane"
        else:
            has = f"belongs to cluster {found.owner}" if found.owner else "belongs to no cluster of sixstack"
        yield Problem(
            "removal-without-cluster",
            f"hosts/{host.name}",
            f"{host.name} {has}",
            f"write the file of the cluster that the workers belong to; or, to remove what is left of cluster {spec.name}, delete it",
        )


def hosts_to_remove(spec: ClusterSpec, names: Sequence[str], members: Members) -> tuple[tuple[Host, ...], tuple[Problem, ...]]:
    """The named hosts that have an SSH endpoint, from the file or remembered by the cluster; and a problem for each name that is no worker."""
    hosts, problems = [], []
    in_file = {host.name: host for host in spec.hosts}
    for name in names:
        host, node = in_file.get(name), members.node(name)
        remembered = decode_endpoint(members.endpoints.get(name, ""))
        if host is None and not members.knows(name):
            problems.append(_unknown(name, spec, members))
        elif (host is not None and host.role is Role.CONTROL_PLANE) or (node is not None and CONTROL_PLANE_LABEL in node.labels):
            problems.append(_control_plane(name))
        elif host is not None:
            hosts.append(host)
        elif remembered is not None:
            hosts.append(Host(name=name, role=Role.WORKER, ssh=remembered))
    return tuple(hosts), tuple(problems)


def removal_problems(
    spec: ClusterSpec,
    names: Sequence[str],
    members: Members,
    facts: Mapping[str, HostFacts],
    settings: RemovalSettings,
    uninspected: Sequence[Problem] = (),
) -> Iterator[Problem]:
    """Why workers cannot be removed; `spec` has the named hosts with an SSH endpoint. `uninspected`: of hosts without facts."""
    if not settings.dead:
        yield from (replace(problem, hint=f"{problem.hint}; or, if the machine is lost, remove it as dead") for problem in uninspected)
    hosts = {host.name: host for host in spec.hosts}
    for name in names:
        host, found = hosts.get(name), facts.get(name)
        if host is None and not settings.dead:
            yield Problem(
                "no-ssh-endpoint",
                f"hosts/{name}",
                f"the file does not list {name}, and the cluster does not remember how to log in to it",
                "write the host into the file; or, if the machine no longer exists, remove it as dead",
            )
        if host is None or found is None or found.owner != spec.name:
            continue
        if found.kubernetes.api_manifest:
            yield _control_plane(name)
        elif other := _other_node(name, found, members):
            if not settings.dead:  # a machine that got the address of the lost one
                yield Problem(
                    "another-node-at-endpoint",
                    f"hosts/{name}",
                    f"the machine at {join_host_port(host.ssh.address, host.ssh.port)} is node {other}",
                    f"write {name} with its SSH address into the file; or, if its machine no longer exists, remove it as dead",
                )
        elif _has_another_authority(found, members):
            if not settings.dead:
                yield Problem(
                    "worker-of-another-cluster",
                    f"hosts/{name}",
                    f"{name} has the certificate authority {found.kubernetes.ca_hash}, and cluster {spec.name} has {members.authority}",
                    f"delete the other cluster {spec.name} with its own file; or remove {name} as dead, which leaves the machine alone",
                )
        elif settings.dead:
            yield Problem(
                "host-answers", f"hosts/{name}", f"{name} answers and is a member of cluster {spec.name}", "remove it without `dead`"
            )
        elif members.node(name) is not None and not found.kubernetes.kubelet_active and not settings.force:
            yield Problem(
                "kubelet-not-running",
                f"hosts/{name}",
                f"kubelet does not run on {name}, so its pods cannot be drained",
                "start kubelet.service; or use force, which removes the node with its pods",
            )
    yield from delete_problems(spec.model_copy(update={"hosts": tuple(host for host in spec.hosts if host.name in names)}), facts)


def plan_removal(
    spec: ClusterSpec,
    names: Sequence[str],
    members: Members,
    facts: Mapping[str, HostFacts],
    settings: RemovalSettings,
    listed: Sequence[str] = (),
    uninspected: Sequence[Problem] = (),
) -> Plan:
    """The steps that remove workers; hosts do not wait for each other. `listed`: names of the hosts in the file. `uninspected`: of dead hosts.

    The Node is deleted before the host is reset: a Node without its machine would be NotReady for as long as the reset takes. The cluster forgets
    the host last, so a run that was interrupted can be repeated without the host in the file.
    """
    plan, notes = PlanBuilder(spec.name), list[str]()
    for name in names:
        if settings.dead:
            _add_dead(plan, name, members)
        else:
            _add_living(plan, spec, name, members, facts, settings)
        if not plan.last_step_on(name):
            notes.append(f"{name} is removed already: nothing is left of it in cluster {spec.name}")
        notes += _notes_on(name, spec, members, facts, settings, listed=name in listed)
    # a host that refuses the login, or that has another host key, is not dead
    notes += [f"{problem.path.removeprefix('hosts/')} was not inspected: {problem.message}" for problem in uninspected]
    notes += [
        f"node {node.name} is cordoned by a drain that was interrupted: the next create-cluster makes it schedulable again"
        for node in members.nodes
        if node.drain_unfinished and node.name not in names
    ]
    workers = {node.name for node in members.nodes if CONTROL_PLANE_LABEL not in node.labels}
    if workers and workers <= set(names):
        notes.append("the cluster has no worker left: pods that do not tolerate the taint of the control plane stay Pending")
    return plan.build(notes)


def is_drained(spec: ClusterSpec, name: str, members: Members, facts: Mapping[str, HostFacts]) -> bool:
    """Whether a host has a Node whose pods a kubelet can stop."""
    found = facts.get(name)
    return members.node(name) is not None and found is not None and found.owner == spec.name and found.kubernetes.kubelet_active


def _add_living(
    plan: PlanBuilder, spec: ClusterSpec, name: str, members: Members, facts: Mapping[str, HostFacts], settings: RemovalSettings
) -> None:
    host, found, node = spec.host(name), facts[name], members.node(name)
    ours = found.owner == spec.name
    drained = plan.add(
        DRAIN_NODE,
        name,
        reason=f"pods of {name} move to other nodes" if is_drained(spec, name, members, facts) else None,
        values=drain_values(settings.drain_seconds, force=settings.force),
    )
    deleted = plan.add(DELETE_NODE, name, reason=_to_delete(name, node), needs=drained)
    reset = plan.add(
        RESET_HOST,
        name,
        reason=f"{name} belongs to cluster {spec.name}" if ours else None,
        values=reset_values(spec, host),
        needs=deleted,
    )
    known = name in members.endpoints or name in members.denied
    plan.add(FORGET_HOST, name, reason=f"the cluster remembers {name}" if known else None, needs=[*deleted, *reset])


def _add_dead(plan: PlanBuilder, name: str, members: Members) -> None:
    denied = plan.add(
        DENY_NODE,
        name,
        reason=None if name in members.denied else f"the machine of {name} may return, and has a certificate of the cluster",
    )
    plan.add(DELETE_NODE, name, reason=_to_delete(name, members.node(name)), needs=denied)


def _to_delete(name: str, node: NodeState | None) -> str | None:
    return None if node is None else f"{name} leaves the cluster"


def _notes_on(
    name: str, spec: ClusterSpec, members: Members, facts: Mapping[str, HostFacts], settings: RemovalSettings, *, listed: bool
) -> Iterator[str]:
    found, node = facts.get(name), members.node(name)
    if settings.dead:
        yield (
            f"on the machine of {name} remain: kubelet with a certificate of the cluster, the containers and data of its pods, and the files "
            f"of sixstack. When the machine returns, the API server does not admit it. `sixstack remove {spec.name} {name}` then resets it"
        )
        if node is not None and node.ready:
            yield f"node {name} is still Ready: if its kubelet runs, it stops its pods when the Node is gone"
    elif found is not None and found.owner != spec.name:
        owner = f"belongs to cluster {found.owner} and is left alone" if found.owner else f"has nothing of cluster {spec.name}"
        yield f"the machine of {name} {owner}"
    elif found is not None and node is not None and not found.kubernetes.kubelet_active:
        yield f"kubelet does not run on {name}: its pods are removed with the node, and not drained"
    if listed:
        yield f"{name} is still in the file: the next create-cluster adds it again. Remove it from the file to prevent this"


def _other_node(name: str, found: HostFacts, members: Members) -> str | None:
    """The node that the machine's kubelet has registered, if it is another one.

    A node whose machine is lost may have the address of a newer machine: the name of the kubelet decides, before the addresses of the nodes.
    """
    state = found.kubernetes
    registered = state.node_name or (found.hostname.lower() if state.kubelet_config else None)
    if registered == name:
        return None
    addresses = set(state.node_ips)
    return next(
        (node.name for node in members.nodes if node.name != name and (node.name == registered or addresses & set(node.addresses))), None
    )


def _has_another_authority(found: HostFacts, members: Members) -> bool:
    known = found.kubernetes.ca_hash, members.authority
    return None not in known and known[0] != known[1]


def _unknown(name: str, spec: ClusterSpec, members: Members) -> Problem:
    known = {host.name for host in spec.workers} | {node.name for node in members.nodes} | members.endpoints.keys()
    near = nearest_name(name, sorted(known))
    hint = f"did you mean `{near}`?" if near else f"write the name of a worker of cluster {spec.name}"
    return Problem("unknown-worker", f"hosts/{name}", f"cluster {spec.name} has no host and no node {name}", hint)


def _control_plane(name: str) -> Problem:
    return Problem(
        "control-plane-not-removed",
        f"hosts/{name}",
        f"{name} is a control plane: without it, the cluster has no API server",
        "remove workers only; delete-cluster removes the whole cluster",
    )
