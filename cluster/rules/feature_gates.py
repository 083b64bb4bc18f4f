"""Feature gates that a component of some minors refuses: it exits at a gate that it does not have, at another value of a locked gate, and at a gate that
is on without another one that it needs.

From the registries of Kubernetes 1.35 to 1.37 (pkg/features of kubernetes, apiserver, apiextensions-apiserver and client-go). A gate that is not listed
here is the same in all supported minors, and not locked. tests/cluster/rules/test_component_values.py asks the kubelets of the bundles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cluster.rules.gate_states import unmet_needs
from cluster.rules.registry import spec_rule
from cluster.vocabulary.fixes import remove, replace_by
from cluster.vocabulary.partial import join_path
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.releases import Minor, minor_of, minor_text
from cluster.vocabulary.spec import ClusterSpec

ARGUMENT = "feature-gates"
FIELD = "featureGates"

# the first minor that has the gates
_FIRST: dict[Minor, str] = {
    (1, 36): (
        "AllowServiceExternalIPs AtomicFIFO CRIListStreaming ClientsAllowCARotation ClientsAllowTLSCacheGC "
        "ControllerManagerReleaseLeaderElectionLockOnExit DRAListTypeAttributes DRANodeAllocatableResources "
        "DRAResourceClaimGranularStatusAuthorization DRAResourcePoolStatus DRAWorkloadResourceClaims DeclarativeValidationBeta "
        "ExtendWebSocketsToKubelet ImageVolumeWithDigest InPlacePodVerticalScalingInitContainers "
        "ManifestBasedAdmissionControlConfig PLEGOnDemandRelist PersistentVolumeClaimUnusedSinceTime PodLevelResourceManagers "
        "PodsAPI ReloadKubeletClientCAFile ResourceHealthStatusMessage ServiceCIDRStatusFieldWiping ShardedListAndWatch "
        "StaleControllerConsistencyDaemonSet StaleControllerConsistencyJob StaleControllerConsistencyReplicaSet "
        "StaleControllerConsistencyStatefulSet TopologyAwareWorkloadScheduling UnlockWhileProcessingFIFO WorkloadAwarePreemption "
        "WorkloadWithJob"
    ),
    (1, 37): (
        "APIServerWebhookAuthenticationToken AtomicWriteVolumeUserFields CompositePodGroup "
        "ConsistentListFromCacheSkipTimeoutFallback DRADerivedAttributes DRADeviceCompatibilityGroups DRAFractionalCapacityRange "
        "DRAOptionalNodeOperations DRAPartitionableDevicesType DefaultPodSysctls EmptyDirVolumeMode EtcdRangeStream "
        "EvictionRequestAPI ExcludeAdmissionWebhookVirtualResources GRPCContainerProbeTLS H2CContainerProbe HPAGeneration "
        "HPAOptimizedSelectorStore HugepageAwareEviction InPlacePodVerticalScalingMemoryBackedVolumes "
        "InPlacePodVerticalScalingSchedulerPreemption InterPodAffinityHostnameFastPath KubeProxyIPVS "
        "KubeProxyNFTablesLocalhostNodePorts KubeletAllocatedPodsEndpoint NFTablesNetlink NodeControllerLeaseCircuitBreaker "
        "NodeLifecycleConditions PodGroupPreemptionPolicy PodLevelResourcesFixDefaulting PodLevelResourcesFixKubeletQOSClass "
        "SchedulerPreQueueingHints StaleControllerConsistencyHPA StatefulSetRecreateStrategy VolumeBindMountOptions "
        "WatchListCompression WebhookRoundTripLoadBalancing"
    ),
}
# the first minor that no longer has the gates
_REMOVED: dict[Minor, str] = {
    (1, 36): (
        "CSIMigrationPortworx HonorPVReclaimPolicy InPlacePodVerticalScalingAllocatedStatus InTreePluginPortworxUnregister "
        "MemoryManager ServiceTrafficDistribution StructuredAuthorizationConfiguration TopologyAwareHints "
        "WatchFromStorageWithoutResourceVersion"
    ),
    (1, 37): (
        "APIServerTracing AnonymousAuthConfigurableEndpoints AnyVolumeDataSource AuthorizeNodeWithSelectors "
        "AuthorizeWithSelectors BtreeWatchCache ConsistentListFromCache GangScheduling JobBackoffLimitPerIndex "
        "JobPodReplacementPolicy JobSuccessPolicy LogarithmicScaleDown OrderedNamespaceDeletion PodLifecycleSleepAction "
        "PodLifecycleSleepActionAllowZero PreventStaticPodAPIReferences RelaxedDNSSearchValidation "
        "ResilientWatchCacheInitialization RetryGenerateName SchedulerQueueingHints SidecarContainers "
        "StreamingCollectionEncodingToJSON StreamingCollectionEncodingToProtobuf StructuredAuthenticationConfiguration "
        "WorkloadAwarePreemption"
    ),
}
# the first minor, or the oldest supported one, in which the gates have only this value
_LOCKED: dict[Minor, dict[bool, str]] = {
    (1, 35): {
        True: (
            "APIServerTracing AggregatedDiscoveryRemoveBetaType AnonymousAuthConfigurableEndpoints AnyVolumeDataSource "
            "AuthorizeNodeWithSelectors AuthorizeWithSelectors BtreeWatchCache CPUManagerPolicyOptions CRDValidationRatcheting "
            "CSIMigrationPortworx ConsistentListFromCache CustomResourceFieldSelectors DisableAllocatorDualWrite "
            "DynamicResourceAllocation ExecProbeTimeout HonorPVReclaimPolicy ImageMaximumGCAge InPlacePodVerticalScaling "
            "JobBackoffLimitPerIndex JobManagedBy JobPodReplacementPolicy JobSuccessPolicy KubeletCgroupDriverFromCRI KubeletTracing "
            "LogarithmicScaleDown MatchLabelKeysInPodAffinity MemoryManager MultiCIDRServiceAllocator NFTablesProxyMode "
            "NodeInclusionPolicyInPodTopologySpread NodeSwap OrderedNamespaceDeletion PodLifecycleSleepAction "
            "PodLifecycleSleepActionAllowZero PodObservedGenerationTracking PodSchedulingReadiness PreferSameTrafficDistribution "
            "RecoverVolumeExpansionFailure RecursiveReadOnlyMounts RelaxedDNSSearchValidation RelaxedEnvironmentVariableValidation "
            "ResilientWatchCacheInitialization RetryGenerateName SchedulerQueueingHints SeparateTaintEvictionController "
            "ServiceAccountTokenJTI ServiceAccountTokenNodeBinding ServiceAccountTokenNodeBindingValidation "
            "ServiceAccountTokenPodNodeInfo ServiceTrafficDistribution SidecarContainers StreamingCollectionEncodingToJSON "
            "StreamingCollectionEncodingToProtobuf StructuredAuthenticationConfiguration StructuredAuthorizationConfiguration "
            "SupplementalGroupsPolicy SystemdWatchdog TopologyAwareHints WinDSR WinOverlay"
        ),
        False: "AllowOverwriteTerminationGracePeriodSeconds WatchFromStorageWithoutResourceVersion",
    },
    (1, 36): {
        True: (
            "CSIServiceAccountTokenSecrets DRAAdminAccess DeclarativeValidation DisableNodeKubeProxyVersion "
            "ExternalServiceAccountTokenSigner ImageVolume InOrderInformers KubeletFineGrainedAuthz KubeletPSI "
            "KubeletPodResourcesDynamicResources KubeletPodResourcesGet MutableCSINodeAllocatableCount NodeLogQuery ProcMountType "
            "SELinuxChangePolicy SELinuxMountReadWriteOncePod TopologyManagerPolicyOptions UserNamespacesSupport "
            "VolumeAttributesClass"
        ),
        False: "GitRepoVolumeDriver SeparateCacheWatchRPC",
    },
    (1, 37): {
        True: (
            "DRAExtendedResource DRAPrioritizedList DRAResourceClaimDeviceStatus DisableCPUQuotaWithExclusiveCPUs "
            "HPAConfigurableTolerance HostnameOverride InPlacePodVerticalScalingInitContainers NodeDeclaredFeatures "
            "PLEGOnDemandRelist PodReadyToStartContainersCondition RelaxedServiceNameValidation WatchCacheInitializationPostStartHook"
        ),
        False: "DeclarativeValidationTakeover",
    },
}
# the first minor whose kubeadm refuses a ClusterConfiguration with these gates of its own
_REMOVED_FROM_KUBEADM: dict[Minor, str] = {(1, 36): "ControlPlaneKubeletLocalMode", (1, 37): "NodeLocalCRISocket PublicKeysECDSA"}
_GATE = re.compile(r"^(?:kube:)?([A-Za-z0-9]+)=(1|t|T|true|TRUE|True|0|f|F|false|FALSE|False)$")  # kube is the component of all of them


def refusals(gates: Mapping[str, bool], minor: Minor) -> dict[str, str]:
    """Why the components of this minor exit at these gates; only those that they refuse, by name."""
    found = {name: why for name, value in gates.items() if (why := _refusal(name, minor, value=value))}
    for culprit, name, needed in unmet_needs(gates, minor):
        found.setdefault(culprit, f"the feature gate {name} is on, and needs {needed}, which is off")
    return found


def kubeadm_refusals(gates: Mapping[str, bool], minor: Minor) -> dict[str, str]:
    """Why kubeadm of this minor refuses these gates of a ClusterConfiguration; only those that it refuses, by name."""
    removed = {name: first for first, names in _REMOVED_FROM_KUBEADM.items() if minor >= first for name in names.split()}
    return {name: f"kubeadm {minor_text(removed[name])} has removed the feature gate {name}" for name in gates if name in removed}


def gates_of(argument: str) -> dict[str, bool]:
    """The gates in the value of --feature-gates, such as A=true,B=false. Text that is no gate is left out."""
    found = [match for part in argument.split(",") if (match := _GATE.match(part.strip()))]
    return {match[1]: match[2][0] in "1tT" for match in found}


def gates_in(fields: Mapping[str, Any]) -> dict[str, bool]:
    """The gates of a KubeletConfiguration, KubeProxyConfiguration or ClusterConfiguration."""
    gates = fields.get(FIELD)
    return {str(name): value for name, value in gates.items() if isinstance(value, bool)} if isinstance(gates, Mapping) else {}


@spec_rule("feature-gate-refused")
def feature_gates_are_accepted(spec: ClusterSpec) -> Iterator[Violation]:
    """The version of the file does not have a feature gate, has it only with another value, or only together with another gate. A component with
    such a gate exits at once."""
    minor = minor_of(spec.version)
    for field in ("kubelet", "kube_proxy"):
        parent = f"kubeadm.{field}.{FIELD}"
        gates = gates_in(getattr(spec.kubeadm, field)) if spec.kubeadm.has(field) else {}
        for name, why in refusals(gates, minor).items():
            yield Violation(join_path(parent, name), why, "remove it", remove(parent, name))
    for component, arguments in spec.kubeadm.extra_args.items():
        text, parent = arguments.get(ARGUMENT, ""), f"kubeadm.extra_args.{component}"
        if (refused := refusals(gates_of(text), minor)) and component != "etcd":  # it has gates of its own
            kept = ",".join(part for part in text.split(",") if not gates_of(part).keys() & refused.keys())
            fix = replace_by(kept, parent, ARGUMENT) if kept else remove(parent, ARGUMENT)
            yield Violation(join_path(parent, ARGUMENT), "; ".join(refused.values()), f"remove {', '.join(refused)} from the value", fix)


def _refusal(name: str, minor: Minor, *, value: bool) -> str | None:
    for first, names in _FIRST.items():
        if minor < first and name in names.split():
            return f"Kubernetes has the feature gate {name} only from {minor_text(first)} on"
    for first, names in _REMOVED.items():
        if minor >= first and name in names.split():
            return f"Kubernetes {minor_text(first)} has removed the feature gate {name}"
    for first, by_value in _LOCKED.items():
        if minor >= first and name in by_value[not value].split():
            return f"Kubernetes {minor_text(first)} and newer have the feature gate {name} only with the value {str(not value).lower()}"
    return None
