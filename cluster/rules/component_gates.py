"""Fields of the kubelet and kube-proxy that need a feature gate: without it, the component does not start with them.

From the same sources as cluster/rules/component_values.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cluster.rules.component_fields import KUBE_PROXY, FieldType, expected_type, has_type, kubelet_fields
from cluster.rules.feature_gates import ARGUMENT, FIELD, gates_in, gates_of
from cluster.rules.gate_states import is_on
from cluster.vocabulary.fixes import remove
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.releases import NEWEST_MINOR, Minor, minor_of
from cluster.vocabulary.spec import ClusterSpec

_CPU_OPTIONS = "cpuManagerPolicyOptions"
_GATES = {
    # both components have these. splitStream is accepted without the gate, because the default of its argument replaces it
    **{f"logging.options.{form}.infoBufferSize": "LoggingAlphaOptions" for form in ("text", "json")},
    "cpuCFSQuotaPeriod": "CustomCPUCFSQuotaPeriod",
    "serverTLSBootstrap": "RotateKubeletServerCertificate",
    "shutdownGracePeriod": "GracefulNodeShutdown",
    "shutdownGracePeriodByPodPriority": "GracefulNodeShutdownBasedOnPodPriority",
    "crashLoopBackOff.maxContainerRestartPeriod": "KubeletCrashLoopBackOffMax",
    "imagePullCredentialsVerificationPolicy": "KubeletEnsureSecretPulledImages",
    "enableSystemLogQuery": "NodeLogQuery",
    "memoryReservationPolicy": "MemoryQoS",
    "memoryThrottlingFactor": "MemoryQoS",
    "defaultPodSysctls": "DefaultPodSysctls",
    f"{_CPU_OPTIONS}.align-by-socket": "CPUManagerPolicyAlphaOptions",
    f"{_CPU_OPTIONS}.distribute-cpus-across-cores": "CPUManagerPolicyAlphaOptions",
    f"{_CPU_OPTIONS}.distribute-cpus-across-numa": "CPUManagerPolicyBetaOptions",
}
# the values that need no gate; of the other fields, those that are empty, false or zero
_WITHOUT: dict[str, Callable[[Any, Minor], bool]] = {
    "cpuCFSQuotaPeriod": lambda value, _: _is_default_period(value),
    "crashLoopBackOff.maxContainerRestartPeriod": lambda value, _: _is_impossible("crashLoopBackOff.maxContainerRestartPeriod", value),
    "memoryReservationPolicy": lambda value, _: value != "TieredReservation",
    # the default of earlier minors
    "memoryThrottlingFactor": lambda value, minor: value == 0.9 or minor < (1, 37) or _is_impossible("memoryThrottlingFactor", value),
}


def fields_without_gate(spec: ClusterSpec) -> Iterator[Violation]:
    """The fields of both components whose gate is off."""
    minor = minor_of(spec.version)
    arguments = spec.kubeadm.extra_args.get("kubelet", {}) if spec.kubeadm.has("extra_args") else {}
    if spec.kubeadm.has("kubelet") and spec.kubeadm.kubelet:
        found = spec.kubeadm.kubelet
        # an argument is stronger than the field
        gates = gates_in(found) | gates_of(arguments.get(ARGUMENT, ""))
        yield from _without_gate("kubeadm.kubelet", found, kubelet_fields(minor), gates, minor)
    if spec.kubeadm.has("kube_proxy") and spec.kubeadm.kube_proxy:
        found = spec.kubeadm.kube_proxy
        yield from _without_gate("kubeadm.kube_proxy", found, KUBE_PROXY, gates_in(found), minor)


def _without_gate(
    path: str, found: dict[str, Any], known: dict[str, FieldType], gates: dict[str, bool], minor: Minor
) -> Iterator[Violation]:
    for name, gate in _GATES.items():
        value: Any = found
        for key in name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value is None or is_on(gate, gates, minor) or not _is_typed(known, name, value):
            continue
        if not _WITHOUT.get(name, _is_nothing)(value, minor):
            at, hint = f"{path}.{name}", f"write `{FIELD}: {{{gate}: true}}` beside it, or remove it"
            yield Violation(at, f"{name.rpartition('.')[2]} needs the feature gate {gate}, which is off", hint, remove(at))


def _is_typed(known: dict[str, FieldType], name: str, value: Any) -> bool:
    """Rules unknown-component-field and component-field-type report the others."""
    if name.startswith(_CPU_OPTIONS):
        return isinstance(value, str)
    expected = expected_type(known, name)
    return expected is not None and has_type(expected, value)


def _is_default_period(value: Any) -> bool:
    # here, because a file without such fields does not need the table
    from cluster.rules.component_values import nanoseconds

    return nanoseconds(value) == 100 * 10**6 or _is_impossible("cpuCFSQuotaPeriod", value)


def _is_impossible(name: str, value: Any) -> bool:
    """Rule component-field-value reports it."""
    from cluster.rules.component_values import kubelet_limits

    return not kubelet_limits(NEWEST_MINOR)[name].allows(value)


def _is_nothing(value: Any, _: Minor) -> bool:
    from cluster.rules.component_values import is_zero, nanoseconds

    return not value or is_zero(value) or (isinstance(value, str) and nanoseconds(value) == 0)
