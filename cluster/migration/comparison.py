"""Two cluster files side by side, offline: what a run of create-cluster would do to a cluster that is exactly as the old one says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from cluster.facts.cluster_state import ClusterState, NodeState
from cluster.facts.host_facts import HostFacts, KubernetesState
from cluster.kubeadm.documents import cluster_configuration
from cluster.migration import migration
from cluster.migration.difference import UNKNOWN
from cluster.plan.existing import specified_cluster
from cluster.plan.immutable import immutable_changes
from cluster.plan.plan import Plan, make_plan
from cluster.plan.steps import prepare_values
from cluster.vocabulary.families import Address
from cluster.vocabulary.labels import node_labels
from cluster.vocabulary.migration import Migration
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec, CniKind, Host, Role


@dataclass(frozen=True, slots=True)
class Comparison:
    """`problems` and `migration`: why create-cluster would refuse; else `plan`: what it would do, as far as two files tell."""

    problems: tuple[Problem, ...]
    migration: Migration | None
    plan: Plan | None


def compare(was: ClusterSpec, now: ClusterSpec) -> Comparison:
    """From a cluster made of `was` to the file `now`. Never raises on specs that the reader accepts."""
    if problems := immutable_changes(now, specified_cluster(was)):
        return Comparison(problems, migration(was, now), None)
    # an address that only the host knows is the same in both
    was, now = _addressed(was, now.hosts), _addressed(now, was.hosts)
    members = {host.name: _member(was, host) for host in was.hosts}
    facts = {host.name: members.get(host.name) or _bare(host.name) for host in now.hosts}
    return Comparison((), None, make_plan(now, facts, {}, _state(was), network=_settings(now)))


def _addressed(spec: ClusterSpec, others: Sequence[Host]) -> ClusterSpec:
    known = {host.name: host.addresses for host in others}
    unknown: tuple[Address, ...] = tuple(UNKNOWN[family] for family in spec.families)
    hosts = tuple(host if host.addresses else host.model_copy(update={"addresses": known.get(host.name) or unknown}) for host in spec.hosts)
    return spec.model_copy(update={"hosts": hosts})


def _bare(name: str) -> HostFacts:
    """A machine that nothing is on."""
    return HostFacts(name, name, name, None, "", (0, 0, 0), "", 0, 0, (), timedelta(0), True, (), (), ())


def _member(was: ClusterSpec, host: Host) -> HostFacts:
    """The facts of a host that create-cluster has brought to `was`."""
    control_plane = host.role is Role.CONTROL_PLANE
    kubernetes = KubernetesState(
        kubelet_config=True, admin_config=control_plane, api_manifest=control_plane, kubelet_active=True, node_ips=host.addresses
    )
    return replace(_bare(host.name), owner=was.name, prepared=prepare_values(was, host)["digest"], kubernetes=kubernetes)


def _state(was: ClusterSpec) -> ClusterState:
    """What the API of a cluster says that is as `was`; of a pod network of its owner's, nothing is known."""
    networked = was.cni.kind is not CniKind.NONE
    nodes = tuple(
        NodeState(
            host.name,
            ready=networked,
            addresses=host.addresses,
            labels=(labels := node_labels(was, host)),
            taints=host.taints,
            managed_labels=tuple(labels),
            managed_taints=tuple(f"{taint.key}:{taint.effect.value}" for taint in host.taints),
        )
        for host in was.hosts
    )
    cni = was.cni.kind if networked else None
    return ClusterState(nodes, cni, cni_digest=_settings(was), coredns_ready=networked, kubeadm=cluster_configuration(was))


def _settings(spec: ClusterSpec) -> str:
    """What stands for the digest of the pod network's documents, which are not rendered here."""
    return spec.cni.model_dump_json()
