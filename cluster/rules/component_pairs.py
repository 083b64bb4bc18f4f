"""Values of the kubelet and kube-proxy that do not fit to each other: each is possible alone, and the component refuses them when it starts.

From the same sources as cluster/rules/component_values.py. A field that the file does not have counts with its default.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cluster.rules.component_fields import KUBELET, has_type
from cluster.rules.component_gates import fields_without_gate
from cluster.rules.registry import spec_rule
from cluster.vocabulary.fixes import remove
from cluster.vocabulary.partial import join_path
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.releases import NEWEST_MINOR
from cluster.vocabulary.spec import ClusterSpec

_KUBELET, _KUBE_PROXY = "kubeadm.kubelet", "kubeadm.kube_proxy"
_SECOND = 10**9
_GRACE, _CRITICAL, _BY_PRIORITY = "shutdownGracePeriod", "shutdownGracePeriodCriticalPods", "shutdownGracePeriodByPodPriority"
_ALLOWLIST, _POLICY = "preloadedImagesVerificationAllowlist", "imagePullCredentialsVerificationPolicy"
_CPU_POLICY, _CPU_OPTIONS = "cpuManagerPolicy", "cpuManagerPolicyOptions"
_INTERFACES = {"BridgeInterface": "bridgeInterface", "InterfaceNamePrefix": "interfaceNamePrefix"}


@spec_rule("component-fields-conflict")
def component_fields_fit_to_each_other(spec: ClusterSpec) -> Iterator[Violation]:
    """Two fields of `kubeadm.kubelet` or `kubeadm.kube_proxy` do not fit to each other, or a field needs a feature gate that is off, so the component
    does not start."""
    yield from fields_without_gate(spec)
    if spec.kubeadm.has("kubelet") and spec.kubeadm.kubelet:
        found = spec.kubeadm.kubelet
        yield from (
            *_kubelet_limits(found),
            *_kubelet_switches(found),
            *_kubelet_reservations(found),
            *_sysctls(found),
            *_logging(_KUBELET, found),
        )
    if spec.kubeadm.has("kube_proxy") and spec.kubeadm.kube_proxy:
        yield from (*_kube_proxy(spec.kubeadm.kube_proxy), *_logging(_KUBE_PROXY, spec.kubeadm.kube_proxy))


def _conflict(parent: str, field: str, message: str, hint: str) -> Violation:
    return Violation(f"{parent}.{field}", message, hint, remove(parent, field))


def _kubelet_limits(found: dict[str, Any]) -> Iterator[Violation]:
    """Numbers and durations of which one limits the other."""
    low, high = _number(found, "imageGCLowThresholdPercent", 80), _number(found, "imageGCHighThresholdPercent", 85)
    if low is not None and high is not None and low >= high:
        field = "imageGCLowThresholdPercent" if "imageGCLowThresholdPercent" in found else "imageGCHighThresholdPercent"
        message = f"imageGCLowThresholdPercent is {low}, and imageGCHighThresholdPercent is {high}"
        yield _conflict(_KUBELET, field, message, "write a low threshold below the high one")
    youngest, oldest = _duration(found, "imageMinimumGCAge", 120 * _SECOND) or 120 * _SECOND, _duration(found, "imageMaximumGCAge", 0)
    if oldest is not None and 0 < oldest <= youngest:
        message = "imageMaximumGCAge is not longer than imageMinimumGCAge, whose default is 2m"
        yield _conflict(_KUBELET, "imageMaximumGCAge", message, "write a longer imageMaximumGCAge, or remove it")
    grace, critical = _duration(found, _GRACE, 0), _duration(found, _CRITICAL, 0)
    if grace is not None and critical is not None and critical > grace:
        yield _conflict(_KUBELET, _CRITICAL, f"{_CRITICAL} is longer than {_GRACE}, which contains it", f"write a longer {_GRACE}")
    if found.get(_BY_PRIORITY) and (grace or critical):
        yield _conflict(_KUBELET, _BY_PRIORITY, f"{_BY_PRIORITY} is set together with {_GRACE}", "remove one of them")
    pulls = _number(found, "maxParallelImagePulls", 1)
    if found.get("serializeImagePulls") is True and pulls is not None and pulls > 1:
        message = "maxParallelImagePulls is above 1, and serializeImagePulls is true"
        yield _conflict(_KUBELET, "serializeImagePulls", message, "remove serializeImagePulls")


def _kubelet_switches(found: dict[str, Any]) -> Iterator[Violation]:
    """Fields that need another one, or exclude it."""
    enforced = found.get("enforceNodeAllocatable", ["pods"])
    for part, cgroup in (("system-reserved", "systemReservedCgroup"), ("kube-reserved", "kubeReservedCgroup")):
        named = {each for each in enforced if isinstance(each, str)} if isinstance(enforced, list) else set()
        if named & {part, f"{part}-compressible"} and not found.get(cgroup):
            message = f"enforceNodeAllocatable has {part}, and there is no {cgroup}"
            yield _conflict(_KUBELET, "enforceNodeAllocatable", message, f"write {cgroup}, or remove {part}")
        if found.get("reservedSystemCPUs") and found.get(cgroup):
            yield _conflict(_KUBELET, "reservedSystemCPUs", f"reservedSystemCPUs is set together with {cgroup}", "remove one of them")
    if found.get("cgroupsPerQOS") is False and enforced not in ([], ["none"]):
        message = "cgroupsPerQOS is false, and enforceNodeAllocatable, whose default is [pods], needs it"
        yield _conflict(_KUBELET, "cgroupsPerQOS", message, "remove cgroupsPerQOS, or write `enforceNodeAllocatable: [none]`")
    if found.get("systemCgroups") and not found.get("cgroupRoot"):
        yield _conflict(_KUBELET, "systemCgroups", "systemCgroups needs cgroupRoot", "write cgroupRoot, or remove systemCgroups")
    if found.get(_ALLOWLIST) and found.get(_POLICY) != "NeverVerifyAllowlistedImages":
        message = f"{_ALLOWLIST} needs {_POLICY}: NeverVerifyAllowlistedImages"
        yield _conflict(_KUBELET, _ALLOWLIST, message, f"write `{_POLICY}: NeverVerifyAllowlistedImages`, or remove the list")
    if found.get("enableSystemLogQuery") is True and found.get("enableSystemLogHandler") is False:
        message = "enableSystemLogQuery needs enableSystemLogHandler, which is false"
        yield _conflict(_KUBELET, "enableSystemLogQuery", message, "remove one of them")
    if found.get(_CPU_OPTIONS) and found.get(_CPU_POLICY) != "static":
        message = f"{_CPU_OPTIONS} needs {_CPU_POLICY}: static"
        yield _conflict(_KUBELET, _CPU_OPTIONS, message, f"write `{_CPU_POLICY}: static`, or remove the options")


def _kubelet_reservations(found: dict[str, Any]) -> Iterator[Violation]:
    """Reserved memory, reserved CPUs and eviction."""
    if (
        found.get(_CPU_POLICY) == "static"
        and not found.get("reservedSystemCPUs")
        and not any(map(_has_cpu, (found.get("systemReserved"), found.get("kubeReserved"))))
    ):
        message = f"{_CPU_POLICY}: static needs reserved CPUs, and nothing is reserved"
        yield _conflict(_KUBELET, _CPU_POLICY, message, "write reservedSystemCPUs, or `cpu` in systemReserved or kubeReserved")
    soft, grace = found.get("evictionSoft"), found.get("evictionSoftGracePeriod") or {}
    for signal, text in soft.items() if isinstance(soft, dict) and isinstance(grace, dict) else ():
        if signal not in grace and _is_possible("evictionSoft", {signal: text}):
            parent, message = f"{_KUBELET}.evictionSoft", f"evictionSoft has {signal}, and evictionSoftGracePeriod does not"
            yield Violation(join_path(parent, signal), message, f"write {signal} in evictionSoftGracePeriod", remove(parent, signal))
    seen = set()
    reserved = found.get("reservedMemory")
    for index, item in enumerate(reserved if isinstance(reserved, list) else ()):
        limits = item.get("limits") if isinstance(item, dict) else None
        for name, amount in limits.items() if isinstance(limits, dict) else ():
            node = _number(item, "numaNode", 0)
            if node is not None and (node, name) in seen and _is_possible("reservedMemory[].limits", {name: amount}):
                parent = f"{_KUBELET}.reservedMemory[{index}].limits"
                message = f"{quoted(name)} of NUMA node {node} is reserved twice"
                yield Violation(join_path(parent, name), message, "write the sum in one of them", remove(parent, name))
            seen.add((node, name))


def _sysctls(found: dict[str, Any]) -> Iterator[Violation]:
    """One sysctl in two spellings: with dots, and with slashes."""
    sysctls, parent = found.get("defaultPodSysctls"), f"{_KUBELET}.defaultPodSysctls"
    if isinstance(sysctls, dict) and len(sysctls) > 1:
        # here, because a file without such fields does not need the table
        from cluster.rules.component_values import sysctl

        seen: dict[str, str] = {}
        for name in sysctls:
            if (other := seen.setdefault(sysctl(name), name)) != name:
                message = f"{quoted(name)} is the same sysctl as {quoted(other)}"
                yield Violation(join_path(parent, name), message, "remove one of them", remove(parent, name))


def _is_possible(name: str, value: Any) -> bool:
    """Rules component-field-type and component-field-value report the others."""
    # here, because a file without such fields does not need the table
    from cluster.rules.component_values import kubelet_limits

    return has_type(KUBELET[name], value) and kubelet_limits(NEWEST_MINOR)[name].allows(value)


def _has_cpu(reserved: Any) -> bool:
    # here, because a file without such fields does not need the table
    from cluster.rules.component_values import is_zero

    # rule component-field-type reports what is no mapping
    return not is_zero(reserved.get("cpu", "0")) if isinstance(reserved, dict) else reserved is not None


def _logging(parent: str, found: dict[str, Any]) -> Iterator[Violation]:
    logging = found.get("logging")
    if isinstance(logging, dict) and logging.get("format") == "json" and logging.get("vmodule"):
        yield _conflict(f"{parent}.logging", "vmodule", "vmodule is for the format text, and the format is json", "remove one of them")


def _kube_proxy(found: dict[str, Any]) -> Iterator[Violation]:
    mode = found.get("mode") or "nftables"
    periods = found.get(mode) if isinstance(mode, str) else None
    if isinstance(periods, dict):
        longest, shortest = _duration(periods, "syncPeriod", 30 * _SECOND), _duration(periods, "minSyncPeriod", _SECOND)
        # 0 is the default
        if longest is not None and shortest is not None and (shortest or _SECOND) > (longest or 30 * _SECOND):
            field = "minSyncPeriod" if "minSyncPeriod" in periods else "syncPeriod"
            message = "minSyncPeriod, whose default is 1s, is longer than syncPeriod, whose default is 30s"
            yield _conflict(f"{_KUBE_PROXY}.{mode}", field, message, "write a longer syncPeriod, or a shorter minSyncPeriod")
    local = found.get("detectLocal")
    needed = _INTERFACES.get(str(found.get("detectLocalMode")))
    if needed and not (isinstance(local, dict) and local.get(needed)):
        message = f"detectLocalMode: {found['detectLocalMode']} needs detectLocal.{needed}"
        yield _conflict(_KUBE_PROXY, "detectLocalMode", message, f"write detectLocal.{needed}, or remove detectLocalMode")


def _number(found: dict[str, Any], name: str, default: int) -> int | None:
    """None for what is no integer: rule component-field-type reports it."""
    value = found.get(name)
    return default if value is None else value if isinstance(value, int) and not isinstance(value, bool) else None


def _duration(found: dict[str, Any], name: str, default: int) -> int | None:
    """In nanoseconds; None for what is no duration."""
    # here, because a file without such fields does not need the table
    from cluster.rules.component_values import nanoseconds

    value = found.get(name)
    return default if value is None else nanoseconds(value) if isinstance(value, str) else None
