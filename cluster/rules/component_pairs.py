"""Values of the kubelet and kube-proxy that do not fit to each other: each is possible alone, and the component refuses them when it starts.

From the same sources as cluster/rules/component_values.py. A field that the file does not have counts with its default.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cluster.rules.registry import spec_rule
from cluster.vocabulary.fixes import remove
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.releases import minor_of
from cluster.vocabulary.spec import ClusterSpec

_KUBELET, _KUBE_PROXY = "kubeadm.kubelet", "kubeadm.kube_proxy"
_SECOND = 10**9
_GRACE, _CRITICAL, _BY_PRIORITY = "shutdownGracePeriod", "shutdownGracePeriodCriticalPods", "shutdownGracePeriodByPodPriority"
_ALLOWLIST, _POLICY = "preloadedImagesVerificationAllowlist", "imagePullCredentialsVerificationPolicy"
_INTERFACES = {"BridgeInterface": "bridgeInterface", "InterfaceNamePrefix": "interfaceNamePrefix"}


@spec_rule("component-fields-conflict")
def component_fields_fit_to_each_other(spec: ClusterSpec) -> Iterator[Violation]:
    """Two fields of `kubeadm.kubelet` or `kubeadm.kube_proxy` do not fit to each other, so the component does not start."""
    if spec.kubeadm.has("kubelet") and spec.kubeadm.kubelet:
        found = spec.kubeadm.kubelet
        yield from (*_kubelet_limits(found), *_kubelet_switches(found, gates_by_default=minor_of(spec.version) >= (1, 37)))
    if spec.kubeadm.has("kube_proxy") and spec.kubeadm.kube_proxy:
        yield from _kube_proxy(spec.kubeadm.kube_proxy)


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


def _kubelet_switches(found: dict[str, Any], *, gates_by_default: bool) -> Iterator[Violation]:
    """Fields that need another one, or exclude it. `gates_by_default`: MemoryQoS is on without being enabled."""
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
    gates = found.get("featureGates")
    enabled = gates.get("MemoryQoS", gates_by_default) if isinstance(gates, dict) else gates_by_default
    if found.get("memoryReservationPolicy") == "TieredReservation" and not enabled:
        message = "memoryReservationPolicy: TieredReservation needs the feature gate MemoryQoS"
        yield _conflict(_KUBELET, "memoryReservationPolicy", message, "write `featureGates: {MemoryQoS: true}`, or remove it")


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
