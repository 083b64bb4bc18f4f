"""Feature gates in the settings of a running cluster that the new version refuses. Those of the file have their own rule (feature-gate-refused)."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.facts.cluster_state import ClusterState
from cluster.plan.unapplied import COMPONENTS, is_same
from cluster.rules.feature_gates import ARGUMENT, FIELD, gates_in, gates_of, kubeadm_refusals, refusals
from cluster.vocabulary.releases import Minor
from cluster.vocabulary.spec import ClusterSpec


def refused_gates(spec: ClusterSpec, state: ClusterState, minor: Minor) -> Iterator[tuple[str, str]]:
    """Path and reason of each gate in kubeadm's ConfigMaps with which a component of this minor would exit, or kubeadm refuse its settings."""
    for name, why in kubeadm_refusals(gates_in(state.kubeadm), minor).items():
        yield f"configmaps/kubeadm-config/{FIELD}/{name}", why
    by_file = {component for component, arguments in spec.kubeadm.extra_args.items() if ARGUMENT in arguments}
    for path, place in COMPONENTS.items():
        component = path.rpartition(".")[2]
        replaced = component in by_file
        for argument in _arguments(state, place) if component != "etcd" and not replaced else ():
            for why in refusals(gates_of(argument), minor).values():
                yield f"configmaps/kubeadm-config/{'/'.join(place)}/extraArgs/{ARGUMENT}", why
    for running, wanted, config_map in (
        (state.kubelet, spec.kubeadm.kubelet, "kubelet-config"),
        (state.kube_proxy, spec.kubeadm.kube_proxy, "kube-proxy"),
    ):
        # the file replaces the gates unless the running ones contain them
        replaced = FIELD in wanted and not is_same(wanted[FIELD], running.get(FIELD))
        for name, why in refusals({} if replaced else gates_in(running), minor).items():
            yield f"configmaps/{config_map}/{FIELD}/{name}", why


def _arguments(state: ClusterState, place: tuple[str, ...]) -> Iterator[str]:
    """The values of --feature-gates of one component; an argument may be there twice."""
    section = state.kubeadm
    for key in place:
        section = section.get(key) or {}
    for argument in section.get("extraArgs") or ():
        if argument["name"] == ARGUMENT:
            yield str(argument["value"])
