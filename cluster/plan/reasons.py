"""Why a step is needed: each function compares facts or state with the spec and gives the reason, or None when the step is not needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.facts.cluster_state import ClusterState, NodeState
from cluster.facts.host_facts import HostFacts, StepState
from cluster.plan.mismatches import host_mismatches, label_mismatches, names_of
from cluster.plan.values import HostFiles
from cluster.pod_networks.plugins import pod_network
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import Host


def to_prepare(facts: HostFacts | None, wanted: HostFiles, values: Mapping[str, Any]) -> str | None:
    """`values` as of prepare_values(): the settings that prepare-host would apply."""
    if facts is None:
        return None
    if facts.owner is None:
        return "the host belongs to no cluster yet"
    if facts.prepared is None:
        return "the host is not fully prepared"
    if facts.prepared != values["digest"]:
        return "the host was prepared with other settings"
    mismatches = host_mismatches(values, wanted, facts)
    files, images = wanted.files - facts.bundle_files, wanted.images - facts.images
    parts = [f"{len(files)} file(s) and {len(images)} image(s) of the bundle are missing"] if files or images else []
    if changed := mismatches[len(files) + len(images) :]:
        parts.append(f"changed on the host: {names_of(changed)}")
    return "; ".join(parts) or None


def is_new(facts: HostFacts | None) -> bool:
    """Whether kubeadm has left nothing on an inspected host and does not run there. An unfinished init or join is reset before kubeadm checks the host."""
    if facts is None or any(step.running for step in facts.steps):
        return False
    found = facts.kubernetes
    return not (found.present or found.etcd_data or found.private_keys)


def to_init(facts: HostFacts | None, step_name: str) -> str | None:  # noqa: PLR0911 one per reason
    """For the seed control plane. `step_name`: the step whose earlier attempt on this host counts."""
    if facts is None:
        return None
    found, last = facts.kubernetes, _step_state(facts, step_name)
    if last is not None and last.running:
        return "kubeadm init is running on the host: attach to it"
    if not found.present:
        return "there is no control plane yet"
    if last is not None and last.exit_code != 0:
        return "kubeadm init did not finish on the host"
    if not (found.admin_config and found.api_manifest and found.kubelet_config):
        return "the control plane on the host is incomplete"
    if not found.kubelet_active:
        return "the control plane's kubelet is not running"
    return None


def to_install_network(spec: ResolvedSpec, state: ClusterState, digest: str | None) -> str | None:
    """Another plug-in is refused earlier (cluster/plan/immutable.py)."""
    if not pod_network(spec).installed:
        return None
    if state.cni is None:
        return "no pod network is installed"
    if digest is not None and state.cni_digest != digest:
        return "the pod network was installed with other settings, or by another version of sixstack"
    if changed := dict.fromkeys(difference.object for difference in state.network_differences):
        return f"changed in the API: {', '.join(changed)}"
    return None


def to_publish(*, new_keys: bool, saved: bool) -> str | None:
    """`new_keys`: the plan creates a control plane."""
    if new_keys:
        return "the control plane gets new keys"
    return None if saved else "no kubeconfig of this cluster is saved yet"


def to_join(  # noqa: PLR0911 one per reason
    facts: HostFacts | None, seed: HostFacts | None, node: NodeState | None, step_name: str, *, api_answered: bool
) -> tuple[str | None, bool]:
    """The reason, and whether the state of an earlier join on the host must be removed.

    `node`: the host's Node object. `api_answered`: an API server answered; otherwise a missing Node means nothing. `step_name`: the step whose earlier attempt on this host counts.
    """
    if facts is None:
        return None, False
    found, last = facts.kubernetes, _step_state(facts, step_name)
    if last is not None and last.running:
        return "kubeadm join is running on the host: attach to it", False
    if not found.kubelet_config:
        return "the host is not part of the cluster", False
    if seed is not None and found.ca_hash != seed.kubernetes.ca_hash:
        return "the host joined a control plane that no longer exists", True
    if api_answered and node is None:
        return "the cluster has no node of this name", True
    if not found.kubelet_active:
        return "the host's kubelet is not running", False
    return None, False


def to_label(values: Mapping[str, Any], node: NodeState | None, endpoint: str | None) -> str | None:
    """`values` as of label_values(); `endpoint`: the SSH endpoint that the cluster remembers.

    Labels and taints from other sources stay. Those that sixstack set earlier and that are no longer in the file are removed.
    """
    if node is None:
        return "the node is new"
    differing = label_mismatches(values, node, endpoint)
    return f"the node differs in {names_of(differing)}" if differing else None


def to_await_node(spec: ResolvedSpec, state: ClusterState, name: str) -> str | None:
    """For the node of one host."""
    node = state.node(name)
    if not _can_become_ready(spec, state) or (node is not None and node.ready):
        return None
    if node is None:
        return "the node is new"
    return f"the node is not Ready: {node.reason}" if node.reason else "the node is not Ready"


def to_await_dns(spec: ResolvedSpec, state: ClusterState, hosts: Sequence[Host], *, changed: bool) -> str | None:
    """`hosts`: those that were inspected. `changed`: the plan changes the control plane, the pod network or the members."""
    if not _can_become_ready(spec, state):
        return None
    if not state.coredns_ready:
        return "CoreDNS is not ready"
    return "the cluster changes" if changed or any(to_await_node(spec, state, host.name) for host in hosts) else None


def to_verify(spec: ResolvedSpec, *, changed: bool) -> str | None:
    """`changed`: the plan changes more than labels and the saved kubeconfig."""
    return "the plan changes, or waits for, something that carries packets" if changed and pod_network(spec).installed else None


def _can_become_ready(spec: ResolvedSpec, state: ClusterState) -> bool:
    """Without a pod network, nothing becomes ready until a person applies one. The summary of the run says so."""
    return pod_network(spec).installed or state.cni is not None or bool(state.cni_detail)


def _step_state(facts: HostFacts, step_name: str) -> StepState | None:
    """What this step left on the host."""
    return next((step for step in facts.steps if step.name == step_name), None)
