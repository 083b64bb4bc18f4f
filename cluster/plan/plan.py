"""What has to be done to bring the hosts and the cluster to the spec: a pure comparison of spec, facts and the API's state.

An empty plan means that the cluster is as specified. Nothing is left out because it was done before, only because facts or state
say that it holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cluster.facts.cluster_state import ClusterState, NodeState
from cluster.facts.host_facts import HostFacts
from cluster.plan.steps import (
    CLUSTER,
    INIT_CONTROL_PLANE,
    INSTALL_CNI,
    JOIN_WORKER,
    LABEL_NODE,
    PREPARE_HOST,
    PUBLISH_KUBECONFIG,
    RESET_HOST,
    VERIFY_NETWORK,
    WAIT_READY,
    Step,
    init_values,
    join_values,
    prepare_values,
    reset_values,
)
from cluster.plan.unapplied import unapplied
from cluster.vocabulary.families import Address
from cluster.vocabulary.labels import node_labels
from cluster.vocabulary.spec import ClusterSpec, CniKind, Host, Role


@dataclass(frozen=True, slots=True)
class HostFiles:
    """What the bundle wants on one host: content sha256 of files, references of images."""

    files: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step on one host (or `cluster`), with everything needed to run it, and why."""

    step: str
    host: str
    template: str | None
    values: dict[str, Any]
    limit: timedelta
    detached: bool
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """The JSON form; values stay out: they are long, and `reason` says what they are for."""
        return {
            "step": self.step,
            "host": self.host,
            "template": self.template,
            "limit_seconds": self.limit.total_seconds(),
            "detached": self.detached,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order in which they can be done one after another; what may run side by side is the flow's to know."""

    cluster: str
    first_control_plane: str
    steps: tuple[PlannedStep, ...] = ()
    notes: tuple[str, ...] = field(default=())  # found, reported and left alone

    @property
    def empty(self) -> bool:
        """Nothing is to be done."""
        return not self.steps

    def step(self, name: str, host: str = CLUSTER) -> PlannedStep | None:
        """The planned step of that name on that host, if it is needed."""
        return next((step for step in self.steps if step.step == name and step.host == host), None)

    def as_dict(self) -> dict[str, Any]:
        """What `sixstack plan --output json` prints."""
        return {"cluster": self.cluster, "steps": [step.as_dict() for step in self.steps], "notes": list(self.notes)}

    def as_text(self) -> str:
        """What `sixstack plan` prints: notes, steps, and how many there are."""
        lines = [f"note: {note}" for note in self.notes]
        lines += [f"{step.step:20} {step.host:20} {step.reason}" for step in self.steps]
        lines.append(f"{len(self.steps)} steps to do" if self.steps else "nothing to do: the cluster is as specified")
        return "\n".join(lines)

    def table_rows(self) -> list[dict[str, str]]:
        """Rows for a table: step, host, why."""
        return [{"step": step.step, "host": step.host, "why": step.reason} for step in self.steps]


def make_plan(
    spec: ClusterSpec,
    facts: Mapping[str, HostFacts],
    wanted: Mapping[str, HostFiles],
    state: ClusterState | None,
    *,
    network: str | None = None,
    kubeconfig_saved: bool = True,
) -> Plan:
    """The steps from facts and state to spec.

    `spec` has node addresses on every host; `facts` may lack hosts that could not be reached (no steps of their own are planned, a note
    says so); `state` is None where no API server answered; `network`: digest of the pod network's documents, if known; `kubeconfig_saved`: a kubeconfig block of this cluster is there.
    """
    answered = state is not None
    state = state or ClusterState()
    steps: list[PlannedStep] = []
    for host in spec.hosts:
        steps += _prepare(spec, host, facts.get(host.name), wanted.get(host.name, HostFiles()))
    steps += _init(spec, facts.get(spec.control_planes[0].name))
    steps += _cni(spec, state, network)
    for host in spec.workers:
        lost = answered and state.node(host.name) is None
        steps += _join(spec, host, facts.get(host.name), facts.get(spec.control_planes[0].name), lost=lost)
    for host in spec.hosts:
        steps += _label(spec, host, state.node(host.name))
    steps += _ready(spec, state, moved=any(step.step in {INSTALL_CNI.name, JOIN_WORKER.name, INIT_CONTROL_PLANE.name} for step in steps))
    if spec.cni.kind is not CniKind.NONE and any(step.step != LABEL_NODE.name for step in steps):
        steps.append(_planned(VERIFY_NETWORK, CLUSTER, {}, "something that packets go through changes"))
    if not kubeconfig_saved or any(step.step == INIT_CONTROL_PLANE.name for step in steps):
        steps.append(_planned(PUBLISH_KUBECONFIG, CLUSTER, {}, "no kubeconfig of this cluster is saved yet"))
    return Plan(spec.name, spec.control_planes[0].name, tuple(steps), tuple(_notes(spec, facts, state)))


def make_reset_plan(spec: ClusterSpec, facts: Mapping[str, HostFacts], *, ca_hash: str | None = None) -> Plan:
    """The steps of delete-cluster: workers first, the control plane last; hosts of others are noted and left alone."""
    steps: list[PlannedStep] = []
    notes: list[str] = []
    for host in (*spec.workers, *spec.control_planes):
        found = facts.get(host.name)
        if found is None:
            notes.append(f"{host.name} was not reached: nothing is removed there")
        elif found.owner is None:
            notes.append(f"{host.name} carries nothing of {spec.name}")
        elif found.owner != spec.name:
            notes.append(f"{host.name} belongs to cluster {found.owner} and is left alone")
        elif ca_hash is not None and found.kubernetes.ca_hash not in {None, ca_hash}:
            notes.append(f"{host.name} carries another cluster's certificate authority ({found.kubernetes.ca_hash}) and is left alone")
        else:
            values = reset_values(spec, host, ca_hash=ca_hash)
            steps.append(_planned(RESET_HOST, host.name, values, f"{host.name} belongs to cluster {spec.name}"))
    return Plan(spec.name, spec.control_planes[0].name, tuple(steps), tuple(notes))


def _planned(step: Step, host: str, values: dict[str, Any], reason: str) -> PlannedStep:
    return PlannedStep(step.name, host, step.template, values, step.limit, step.detached, reason)


def _prepare(spec: ClusterSpec, host: Host, facts: HostFacts | None, wanted: HostFiles) -> Iterator[PlannedStep]:
    if facts is None:
        return
    values = prepare_values(spec, host, wanted.images)
    files, images = wanted.files - facts.bundle_files, wanted.images - facts.images
    if facts.owner is None:
        reason = "nothing of ours is on this host yet"
    elif facts.prepared is None:
        reason = "it was claimed and never fully prepared"
    elif facts.prepared != values["digest"]:
        reason = "it was prepared with other settings"
    elif files or images:
        reason = f"{len(files)} file(s) and {len(images)} image(s) of the bundle are missing"
    else:
        return
    yield _planned(PREPARE_HOST, host.name, values, reason)


def _init(spec: ClusterSpec, facts: HostFacts | None) -> Iterator[PlannedStep]:
    if facts is None:
        return
    found = facts.kubernetes
    last = next((step for step in facts.steps if step.name == INIT_CONTROL_PLANE.name), None)
    if last is not None and last.running:
        reason = "kubeadm init runs there already: attach to it"
    elif not found.present:
        reason = "there is no control plane yet"
    elif last is not None and last.exit_code != 0:
        reason = "kubeadm init did not finish there"
    elif not (found.admin_config and found.api_manifest and found.kubelet_config):
        reason = "the control plane there is not whole"
    elif not found.kubelet_active:
        reason = "the control plane's kubelet does not run"
    else:
        return
    yield _planned(INIT_CONTROL_PLANE, spec.control_planes[0].name, init_values(spec), reason)


def _cni(spec: ClusterSpec, state: ClusterState, network: str | None) -> Iterator[PlannedStep]:
    # another plug-in in its place is refused before (cluster/plan/immutable.py)
    if spec.cni.kind is CniKind.NONE:
        return
    if state.cni is None:
        yield _planned(INSTALL_CNI, CLUSTER, {}, "no pod network is installed")
    elif network is not None and state.cni_digest != network:
        yield _planned(INSTALL_CNI, CLUSTER, {}, "the pod network was installed with other settings, or by another version of sixstack")


def _join(spec: ClusterSpec, host: Host, facts: HostFacts | None, control_plane: HostFacts | None, *, lost: bool) -> Iterator[PlannedStep]:
    """`lost`: an API server answered and has no node of this name; one that is silent says nothing about its nodes."""
    if facts is None:
        return
    found = facts.kubernetes
    last = next((step for step in facts.steps if step.name == JOIN_WORKER.name), None)
    recreate = False
    if last is not None and last.running:
        reason = "kubeadm join runs there already: attach to it"
    elif not found.kubelet_config:
        reason = "it is not part of the cluster"
    elif control_plane is not None and found.ca_hash != control_plane.kubernetes.ca_hash:
        recreate, reason = True, "it was joined to a control plane that is no more"
    elif lost:
        recreate, reason = True, "the cluster has no node of this name"
    elif not found.kubelet_active:
        reason = "its kubelet does not run"
    else:
        return
    yield _planned(JOIN_WORKER, host.name, join_values(spec, host, recreate=recreate), reason)


def _label(spec: ClusterSpec, host: Host, node: NodeState | None) -> Iterator[PlannedStep]:
    labels = node_labels(spec, host)
    values = {"labels": labels, "taints": [{"key": taint.key, "value": taint.value, "effect": taint.effect.value} for taint in host.taints]}
    if node is None:
        yield _planned(LABEL_NODE, host.name, values, "its node is new")
        return
    # what others set stays; what we set earlier and the file names no more goes
    wanted_taints = {f"{taint.key}:{taint.effect.value}" for taint in host.taints}
    differing = [
        *sorted(key for key, value in labels.items() if node.labels.get(key) != value),
        *sorted(key for key in node.managed_labels if key in node.labels and key not in labels),
        *sorted(f"taint {taint.key}" for taint in host.taints if taint not in node.taints),
        *sorted(f"taint {key}" for key in node.managed_taints if key not in wanted_taints),
    ]
    if differing:
        yield _planned(LABEL_NODE, host.name, values, f"differs in {', '.join(differing)}")


def _ready(spec: ClusterSpec, state: ClusterState, *, moved: bool) -> Iterator[PlannedStep]:
    if spec.cni.kind is CniKind.NONE and state.cni is None and not state.cni_detail:
        return  # nothing can become ready before the owner applies a pod network; the flow's summary says so
    waiting = [host.name for host in spec.hosts if (node := state.node(host.name)) is None or not node.ready]
    if waiting:
        yield _planned(WAIT_READY, CLUSTER, {"nodes": waiting}, f"not ready: {', '.join(waiting)}")
    elif moved or not state.coredns_ready:
        yield _planned(WAIT_READY, CLUSTER, {"nodes": []}, "CoreDNS is not ready" if not state.coredns_ready else "hosts change")


def _notes(spec: ClusterSpec, facts: Mapping[str, HostFacts], state: ClusterState) -> Iterator[str]:
    names = {host.name for host in spec.hosts}
    for host in spec.hosts:
        if host.name not in facts:
            yield f"{host.name} was not reached: nothing is planned on it"
    for node in state.nodes:
        if node.name not in names:
            yield f"node {node.name} ({_listed(node.addresses)}) is in the cluster and not in the file: it is kept"
        elif node.unschedulable:
            yield f"node {node.name} is cordoned: it is kept so"
    for host in spec.hosts:
        found = facts.get(host.name)
        if found is not None and host.role is Role.CONTROL_PLANE and found.kubernetes.kubelet_active and not state.nodes:
            yield f"the API server on {host.name} did not answer: what it would say of nodes is not known"
    if spec.cni.kind is CniKind.NONE and state.nodes and state.cni is None and not state.cni_detail:
        yield "no pod network is installed, as the file asks: nodes stay NotReady until you apply one"
    yield from unapplied(spec, state)


def _listed(addresses: tuple[Address, ...]) -> str:
    return ", ".join(str(address) for address in addresses) or "no address"
