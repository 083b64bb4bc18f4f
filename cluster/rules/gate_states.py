"""Feature gates that other gates or fields depend on: whether they are on when nobody sets them.

From the registries of Kubernetes 1.35 to 1.37, as cluster/rules/feature_gates.py. tests/cluster/rules/test_component_values.py asks the kubelets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cluster.vocabulary.releases import NEWEST_MINOR, OLDEST_MINOR, Minor

# One letter for each supported minor: a for alpha, b for beta, g for what neither AllAlpha nor AllBeta changes, l for locked, - for absent.
# A capital is on by default.
_STATES: dict[str, str] = {
    name: states
    for states, names in {
        "--B": (
            "NodeControllerLeaseCircuitBreaker PodLevelResourcesFixDefaulting "
            "PodLevelResourcesFixKubeletQOSClass StaleControllerConsistencyHPA"
        ),
        # its default is another one with a minimum compatibility version of 1.37
        "--b": "DRAFractionalCapacityRange",
        "--a": ("CompositePodGroup DRADeviceCompatibilityGroups DRAPartitionableDevicesType DefaultPodSysctls PodGroupPreemptionPolicy"),
        "-BB": (
            "AtomicFIFO DRAResourceClaimGranularStatusAuthorization ExtendWebSocketsToKubelet "
            "ResourceHealthStatusMessage StaleControllerConsistencyDaemonSet StaleControllerConsistencyJob "
            "StaleControllerConsistencyReplicaSet StaleControllerConsistencyStatefulSet"
        ),
        "-BL": "InPlacePodVerticalScalingInitContainers",
        "-a-": "WorkloadAwarePreemption",
        "-aa": ("DRAResourcePoolStatus TopologyAwareWorkloadScheduling WorkloadWithJob"),
        "-ab": ("DRAWorkloadResourceClaims PodLevelResourceManagers"),
        "BBB": (
            "APIServerIdentity CPUManagerPolicyBetaOptions ContainerRestartRules GracefulNodeShutdown "
            "GracefulNodeShutdownBasedOnPodPriority KubeletCrashLoopBackOffMax KubeletEnsureSecretPulledImages "
            "MatchLabelKeysInPodTopologySpread MatchLabelKeysInPodTopologySpreadSelectorMerge PodLevelResources "
            "RotateKubeletServerCertificate WindowsGracefulNodeShutdown"
        ),
        "BBL": "DRAResourceClaimDeviceStatus",
        "BLL": ("DeclarativeValidation ProcMountType UserNamespacesSupport"),
        "GLL": "TopologyManagerPolicyOptions",
        "aBB": (
            "DRAConsumableCapacity DRADeviceBindingConditions DRAPartitionableDevices "
            "InPlacePodLevelResourcesVerticalScaling ResourceHealthStatus RestartAllContainersOnContainerExits "
            "UnknownVersionInteroperabilityProxy"
        ),
        "aBL": "NodeDeclaredFeatures",
        "aGG": "CustomCPUCFSQuotaPeriod",
        "aa-": "GangScheduling",
        "aaB": "MemoryQoS",
        "aaa": ("CPUManagerPolicyAlphaOptions LoggingAlphaOptions StorageVersionAPI UserNamespacesHostNetworkSupport"),
        "aab": "GenericWorkload",
        "bLL": "NodeLogQuery",
        "bbG": ("ClusterTrustBundle ClusterTrustBundleProjection"),
        "bgl": "DeclarativeValidationTakeover",
    }.items()
    for name in names.split()
}
# gate -> the gates without which it must be off
_NEEDS: dict[str, str] = {
    "ClusterTrustBundleProjection": "ClusterTrustBundle",
    "CompositePodGroup": "GenericWorkload TopologyAwareWorkloadScheduling",
    "DRADeviceBindingConditions": "DRAResourceClaimDeviceStatus",
    "DRADeviceCompatibilityGroups": "DRAPartitionableDevices",
    "DRAFractionalCapacityRange": "DRAConsumableCapacity",
    "DRAPartitionableDevicesType": "DRAPartitionableDevices DRAResourcePoolStatus",
    "DRAResourceClaimGranularStatusAuthorization": "DRAResourceClaimDeviceStatus",
    "DRAWorkloadResourceClaims": "GenericWorkload",
    "DeclarativeValidationTakeover": "DeclarativeValidation",
    "ExtendWebSocketsToKubelet": "NodeDeclaredFeatures",
    "GangScheduling": "GenericWorkload",
    "GracefulNodeShutdownBasedOnPodPriority": "GracefulNodeShutdown",
    "InPlacePodLevelResourcesVerticalScaling": "PodLevelResources NodeDeclaredFeatures",
    "InPlacePodVerticalScalingInitContainers": "NodeDeclaredFeatures",
    "MatchLabelKeysInPodTopologySpreadSelectorMerge": "MatchLabelKeysInPodTopologySpread",
    "NodeControllerLeaseCircuitBreaker": "AtomicFIFO",
    "PodGroupPreemptionPolicy": "GenericWorkload",
    "PodLevelResourceManagers": "PodLevelResources",
    "PodLevelResourcesFixDefaulting": "PodLevelResources",
    "PodLevelResourcesFixKubeletQOSClass": "PodLevelResources",
    "ProcMountType": "UserNamespacesSupport",
    "ResourceHealthStatusMessage": "ResourceHealthStatus",
    "RestartAllContainersOnContainerExits": "ContainerRestartRules NodeDeclaredFeatures",
    "StaleControllerConsistencyDaemonSet": "AtomicFIFO",
    "StaleControllerConsistencyHPA": "AtomicFIFO",
    "StaleControllerConsistencyJob": "AtomicFIFO",
    "StaleControllerConsistencyReplicaSet": "AtomicFIFO",
    "StaleControllerConsistencyStatefulSet": "AtomicFIFO",
    "StorageVersionAPI": "APIServerIdentity",
    "TopologyAwareWorkloadScheduling": "GenericWorkload",
    "UnknownVersionInteroperabilityProxy": "APIServerIdentity",
    "UserNamespacesHostNetworkSupport": "UserNamespacesSupport",
    "WindowsGracefulNodeShutdown": "GracefulNodeShutdown",
    "WorkloadAwarePreemption": "GangScheduling",
    "WorkloadWithJob": "GenericWorkload",
}
# from this minor on
_NEEDS_LATER: dict[Minor, dict[str, str]] = {(1, 36): {"UserNamespacesHostNetworkSupport": "NodeDeclaredFeatures"}}
_ALL = {"a": "AllAlpha", "b": "AllBeta"}


def is_on(name: str, gates: Mapping[str, bool], minor: Minor) -> bool:
    """Whether a component of this minor with these gates has the gate on. A value that it refuses does not count."""
    state = _state(name, minor)
    if state in "-Ll":
        return state == "L"
    # a stage changes only the gates that are not named
    return gates.get(name, gates.get(_ALL.get(state.lower(), ""), state.isupper()))


def unmet_needs(gates: Mapping[str, bool], minor: Minor) -> Iterator[tuple[str, str, str]]:
    """A gate of `gates` because of which a component exits, the gate that is on, and the gate that it needs."""
    later = {name: text for first, listed in _NEEDS_LATER.items() if minor >= first for name, text in listed.items()}
    for name, text in _NEEDS.items():
        if not is_on(name, gates, minor):
            continue
        for needed in f"{text} {later.get(name, '')}".split():
            if _state(needed, minor) != "-" and not is_on(needed, gates, minor):
                stages = (_ALL.get(_state(each, minor).lower(), "") for each in (needed, name))
                culprit = next((each for each in (needed, name, *stages) if each in gates), None)
                if culprit is not None:
                    yield culprit, name, needed


def _state(name: str, minor: Minor) -> str:
    # rule kubernetes-version-unsupported reports other minors, which count as the nearest one
    nearest = min(max(minor, OLDEST_MINOR), NEWEST_MINOR)
    return _STATES[name][nearest[1] - OLDEST_MINOR[1]]
