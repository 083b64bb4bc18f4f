"""Compares two cluster files offline: the plan of create-cluster for a cluster that matches the old file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from cluster.facts.cluster_state import ClusterState, NodeState
from cluster.facts.host_facts import HostFacts, KubernetesState
from cluster.kubeadm.documents import cluster_configuration
from cluster.migration import migration
from cluster.plan.create import plan_create
from cluster.plan.existing import specified_cluster
from cluster.plan.graph import Plan
from cluster.plan.immutable import immutable_changes
from cluster.plan.resolution import resolve_offline
from cluster.plan.values import hosts_entries, prepare_values
from cluster.pod_networks.plugins import pod_network
from cluster.vocabulary.labels import node_labels
from cluster.vocabulary.migration import Migration
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.remembered_hosts import encode_endpoint
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec, Host, Role


@dataclass(frozen=True, slots=True)
class Comparison:
    """`problems` and `migration`: why create-cluster would refuse the change. Otherwise `plan`: its steps, as far as two files show."""

    problems: tuple[Problem, ...]
    migration: Migration | None
    plan: Plan | None


def compare(old: ClusterSpec, new: ClusterSpec) -> Comparison:
    """Compare a cluster made from `old` with the file `new`. Never raises for specs that the reader accepts."""
    if problems := immutable_changes(new, specified_cluster(old)):
        return Comparison(problems, migration(old, new), None)
    # an address that is in neither file is the same in both
    before, after = resolve_offline(old, new.hosts), resolve_offline(new, old.hosts)
    members = {host.name: _member(before, host) for host in before.hosts}
    facts = {host.name: members.get(host.name) or _bare(host.name) for host in after.hosts}
    return Comparison((), None, plan_create(after, facts, {}, _state(before), network=_settings(after)))


def _bare(name: str) -> HostFacts:
    """The facts of a bare machine."""
    return HostFacts(name, name, name, None, "", (0, 0, 0), "", 0, 0, (), timedelta(0), True, (), (), ())


def _member(old: ResolvedSpec, host: Host) -> HostFacts:
    """The facts of a host that matches `old`."""
    control_plane = host.role is Role.CONTROL_PLANE
    kubernetes = KubernetesState(
        kubelet_config=True, admin_config=control_plane, api_manifest=control_plane, kubelet_active=True, node_ips=host.addresses
    )
    values = prepare_values(old, host)
    entries = hosts_entries(values)
    return replace(_bare(host.name), owner=old.name, prepared=values["digest"], hosts_entries=entries, kubernetes=kubernetes)


def _state(old: ResolvedSpec) -> ClusterState:
    """The state of a cluster that matches `old`. The state of a pod network that sixstack did not install is unknown."""
    networked = pod_network(old).installed
    nodes = tuple(
        NodeState(
            host.name,
            ready=networked,
            addresses=host.addresses,
            labels=(labels := node_labels(old, host)),
            taints=host.taints,
            managed_labels=tuple(labels),
            managed_taints=tuple(f"{taint.key}:{taint.effect.value}" for taint in host.taints),
        )
        for host in old.hosts
    )
    cni = old.cni.kind if networked else None
    return ClusterState(
        nodes,
        cni,
        cni_digest=_settings(old),
        coredns_ready=networked,
        kubeadm=cluster_configuration(old),
        endpoints={host.name: encode_endpoint(host.ssh) for host in old.hosts},
    )


def _settings(spec: ClusterSpec) -> str:
    """Replaces the digest of the pod network's documents, which are not rendered here."""
    return spec.cni.model_dump_json()
