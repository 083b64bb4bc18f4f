"""The plan of restore-cluster: the control plane comes from a copy, and everything else is as in create-cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cluster.facts.cluster_state import ClusterState, NodeState
from cluster.facts.etcd_keys import NODES, Keys
from cluster.facts.host_facts import HostFacts
from cluster.plan.copies import hosts_to_copy, restore_settings
from cluster.plan.create import CreatePlan, Ids
from cluster.plan.delete import SAVE_COPY
from cluster.plan.existing import observed_cluster, specified_cluster
from cluster.plan.graph import Plan, PlanBuilder
from cluster.plan.immutable import immutable_changes
from cluster.plan.lost_changes import LostChanges, lost_changes
from cluster.plan.values import REVISION_BUMP, HostFiles, RestoreSource, copy_values, restore_values
from cluster.vocabulary.copies import SavedCopy
from cluster.vocabulary.errors import CannotApply
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec
from cluster.vocabulary.topology import topology

RESTORE_CONTROL_PLANE = "restore-control-plane"

# docs/reference/problems.md lists them
NOT_RESTORED = {
    "identity-unusable": "The path is not absolute, or the file with the age identity does not exist, has no identity, or can be read by other users than its owner.",
    "no-such-copy": "The Backup store has no copy of the cluster with this name, or none that a cluster can be restored from.",
    "wrong-identity": "The copy was encrypted to another recipient than that of the identity.",
    "copy-damaged": "The copy has another digest than its description, or its files differ from its manifest.",
    "copy-incomplete": "The copy lacks a snapshot of etcd, a key of the control plane or the cluster file.",
    "copy-of-another-cluster": "The copy was made of a cluster with another name.",
    "copy-of-another-version": "The copy was made with another Kubernetes version than that of the cluster file.",
}


class RestoreRefused(CannotApply):
    """The cluster cannot be restored as requested. `problems` lists every reason."""

    headline = "the cluster is not restored, and no host was changed"


@dataclass(frozen=True, slots=True)
class CheckedCopy:
    """A copy that was decrypted and compared with its manifest. Without its secrets."""

    saved: SavedCopy
    file: ClusterSpec  # the cluster file at that time
    kubeadm: Mapping[str, Any]  # ClusterConfiguration at that time; {} when the API server did not answer
    authority: str  # sha256:HEX of the public key of the cluster's certificate authority
    keys: Keys | None  # of etcd at that time; None: unknown


@dataclass(frozen=True, slots=True)
class LiveKeys:
    """The keys of the etcd that runs now, or why they cannot be compared with those of the copy."""

    keys: Keys | None = None
    reason: str = ""
    revision: int = 0  # of etcd now


def copy_problems(spec: ClusterSpec, copy: CheckedCopy) -> tuple[Problem, ...]:
    """What in the cluster file differs from the copy and cannot change on an existing cluster."""
    if copy.file.name != spec.name:
        message = f"the copy {copy.saved.name} is of cluster {copy.file.name}, the file is of cluster {spec.name}"
        hint = f"Choose a copy of this cluster: `sixstack backups {spec.name}` lists them."
        return (Problem("copy-of-another-cluster", "copy", message, hint),)
    problems = []
    if copy.saved.kubernetes_version != spec.version:
        message = f"the copy is of Kubernetes {copy.saved.kubernetes_version or 'of an unknown version'}, the file has {spec.version}"
        hint = f"Write `kubernetes_version: {copy.file.kubernetes_version}` into the file, or choose another copy: restore-cluster does not upgrade."
        problems.append(Problem("copy-of-another-version", "kubernetes_version", message, hint))
    observed = replace(observed_cluster(spec, {}, ClusterState(kubeadm=dict(copy.kubeadm))), version=None)
    specified = replace(specified_cluster(copy.file), version=None)
    return (*problems, *dict.fromkeys((*immutable_changes(spec, observed), *immutable_changes(spec, specified))))


def comparable(spec: ResolvedSpec, facts: Mapping[str, HostFacts], copy: CheckedCopy) -> str | None:
    """Why the present cluster cannot be compared with the copy; None when its etcd can be asked."""
    if copy.keys is None:
        return "the copy has no list of etcd's keys"
    found = facts[topology(spec).seed.name]
    if found.owner != spec.name or not found.kubernetes.etcd_data:
        return "there is no data of etcd on the control plane"
    if found.kubernetes.ca_hash != copy.authority:
        return "the control plane has another certificate authority than the copy: it is another cluster of this name"
    return None


def plan_restore(
    spec: ResolvedSpec,
    facts: Mapping[str, HostFacts],
    wanted: Mapping[str, HostFiles],
    copy: CheckedCopy,
    live: LiveKeys,
    source: RestoreSource,
    *,
    without_copy: bool = False,
    network: str | None = None,
    verify: bool = True,
) -> tuple[Plan, LostChanges | None]:
    """The steps from any state of the hosts to the cluster of the copy, and what they lose; None when that is unknown.

    A worker stays as it is if its Node is the same object now and in the copy, and no restore was in between. Every other worker joins again, so
    that its pods' addresses are those of its Node in the copy.
    """
    seed = topology(spec).seed.name
    # what the restored control plane will be: the reasons of create-cluster compare the workers with it
    kubernetes = replace(facts[seed].kubernetes, ca_hash=copy.authority)
    expected = {**facts, seed: replace(facts[seed], kubernetes=kubernetes)}
    state = ClusterState(nodes=tuple(NodeState(name, ready=False) for name in _same_nodes(spec, copy, live)))
    restore = _RestorePlan(
        spec,
        topology(spec),
        expected,
        wanted,
        state,
        True,
        PlanBuilder(spec.name),
        source=source,
        created=f"{copy.saved.created:%Y-%m-%d %H:%M:%S} UTC",
    )
    notes = list(_notes(spec, copy, live))
    for host in hosts_to_copy(spec, facts):
        if without_copy:
            notes.append(f"etcd's data and PKI of {host.name} are replaced without a copy")
        else:
            reason = f"{host.name} has etcd's data or private keys of cluster {spec.name}"
            restore.copied += restore.builder.add(
                SAVE_COPY, host.name, reason=reason, values=copy_values(spec, host, restore_settings(spec))
            )
    restore.add_steps(network, kubeconfig_saved=False, verify=verify)
    lost = lost_changes(live.keys, copy.keys) if live.keys is not None and copy.keys is not None else None
    return restore.builder.build((*notes, *(lost.lines if lost is not None else ()))), lost


@dataclass
class _RestorePlan(CreatePlan):
    """As for create-cluster, with another control plane, after the copies of what is there."""

    source: RestoreSource = field(kw_only=True)
    created: str = field(kw_only=True)  # when the copy was made
    copied: Ids = ()

    @property
    def first_steps(self) -> Ids:
        """Nothing is changed before every copy is stored."""
        return self.copied

    @property
    def creates_cluster(self) -> bool:
        """The nodes and pods in the copy have the status of their time."""
        return False

    def init_control_plane(self) -> None:
        """The seed gets PKI and etcd's data of the copy. It is restored again whatever is there."""
        seed = self.roles.seed.name
        reason = f"the control plane becomes that of the copy of {self.created}"
        needs = (*self.copied, *self.load_steps[seed], *self.prepare_steps[seed], *self.preflight_step)
        self.init_step = self.builder.add(
            RESTORE_CONTROL_PLANE, seed, reason=reason, values=restore_values(self.spec, self.source), needs=needs
        )


def _restored_since(copy: CheckedCopy, live: LiveKeys) -> bool:
    """Whether the cluster was restored after the copy was made: only a restore makes so many revisions at once.

    Such a restore may have been interrupted before its workers joined again, and its Nodes are those of a copy, whatever the workers are. A cluster
    that made as many changes by itself counts too.
    """
    return live.revision - (copy.saved.revision or 0) >= REVISION_BUMP


def _same_nodes(spec: ResolvedSpec, copy: CheckedCopy, live: LiveKeys) -> list[str]:
    """The hosts whose Node object is the same now and in the copy, and was the same in between."""
    if live.keys is None or copy.keys is None or _restored_since(copy, live):
        return []
    found = []
    for host in spec.hosts:
        now, then = live.keys.get(NODES + host.name), copy.keys.get(NODES + host.name)
        if now is not None and then is not None and now.created == then.created:
            found.append(host.name)
    return found


def _notes(spec: ResolvedSpec, copy: CheckedCopy, live: LiveKeys) -> list[str]:
    names = {host.name for host in spec.hosts}
    nodes = [key.removeprefix(NODES) for key in copy.keys or () if key.startswith(NODES)]
    notes = [
        f"node {name} is in the copy and not in the file: it comes back as a Node object" for name in sorted(nodes) if name not in names
    ]
    if _restored_since(copy, live):
        notes.append(
            "the cluster was restored after this copy was made: what it lost then is in the report of that restore, and all workers join again"
        )
    if live.reason:
        notes.append(f"what is newer than the copy is unknown: {live.reason}")
    return notes
