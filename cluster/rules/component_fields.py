"""The fields of KubeletConfiguration (v1beta1) and KubeProxyConfiguration (v1alpha1) and their types.

From the Go types of Kubernetes 1.35 to 1.37 (k8s.io/kubelet, k8s.io/kube-proxy, k8s.io/component-base). kubeadm
decodes strictly, and the kubelet does not start with a value of another type. A dot separates a mapping from its field, and `[]` a list from the field of its items.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from cluster.rules.component_history import of_minor
from cluster.vocabulary.releases import Minor


class FieldType(Enum):
    """The type of a field."""

    BOOLEAN = "true or false"
    STRING = "a string"
    INTEGER = "an integer"
    INTEGER64 = "a 64-bit integer"
    NUMBER = "a number"
    DURATION = 'a duration such as "30s" or "1h30m"'
    STRINGS = "a list of strings"
    INTEGERS = "a list of integers"
    STRING_MAP = "a mapping of names to strings"
    BOOLEAN_MAP = "a mapping of names to true or false"
    STRINGS_MAP = "a mapping of names to lists of strings"
    QUANTITY = 'a quantity such as "100Mi"'
    QUANTITY_MAP = 'a mapping of names to quantities such as "100Mi"'
    VERBOSITY = "an integer from 0 to 2147483647"
    INTERVAL = 'a duration such as "5s", or an integer of nanoseconds'
    LIST = "a list"
    MAPPING = "a mapping"


def _fields(names: dict[FieldType, str]) -> dict[str, FieldType]:
    return {name: kind for kind, listed in names.items() for name in listed.split()}


_LOGGING = {
    FieldType.INTERVAL: "logging.flushFrequency",
    FieldType.VERBOSITY: "logging.verbosity logging.vmodule[].verbosity",
    FieldType.QUANTITY: "logging.options.text.infoBufferSize logging.options.json.infoBufferSize",
}

# of all supported minors; kubelet_fields returns the fields of one minor
KUBELET = _fields(
    {
        FieldType.BOOLEAN: (
            "enableServer rotateCertificates serverTLSBootstrap authentication.webhook.enabled "
            "authentication.anonymous.enabled enableDebuggingHandlers enableContentionProfiling cgroupsPerQOS "
            "singleProcessOOMKill runOnce cpuCFSQuota serializeImagePulls mergeDefaultEvictionSettings "
            "enableControllerAttachDetach protectKernelDefaults makeIPTablesUtilChains failSwapOn kernelMemcgNotification "
            "enableSystemLogHandler enableSystemLogQuery enableProfilingHandler enableDebugFlagsHandler seccompDefault "
            "registerNode localStorageCapacityIsolation failCgroupV1 "
            "logging.options.text.splitStream logging.options.json.splitStream "
        ),
        FieldType.STRING: (
            "staticPodPath podLogsDir staticPodURL address tlsCertFile tlsPrivateKeyFile tlsMinVersion "
            "authentication.x509.clientCAFile authorization.mode imagePullCredentialsVerificationPolicy healthzBindAddress "
            "clusterDomain kubeletCgroups systemCgroups cgroupRoot cgroupDriver cpuManagerPolicy memoryManagerPolicy "
            "topologyManagerPolicy topologyManagerScope hairpinMode podCIDR resolvConf contentType memorySwap.swapBehavior "
            "containerLogMaxSize configMapAndSecretChangeDetectionStrategy reservedSystemCPUs showHiddenMetricsForVersion "
            "systemReservedCgroup kubeReservedCgroup volumePluginDir providerID memoryReservationPolicy "
            "logging.format logging.vmodule[].filePattern "
            "tracing.endpoint containerRuntimeEndpoint imageServiceEndpoint "
        ),
        FieldType.DURATION: (
            "syncFrequency fileCheckFrequency httpCheckFrequency authentication.webhook.cacheTTL "
            "authorization.webhook.cacheAuthorizedTTL authorization.webhook.cacheUnauthorizedTTL "
            "streamingConnectionIdleTimeout nodeStatusUpdateFrequency nodeStatusReportFrequency imageMinimumGCAge "
            "imageMaximumGCAge volumeStatsAggPeriod cpuManagerReconcilePeriod runtimeRequestTimeout cpuCFSQuotaPeriod "
            "evictionPressureTransitionPeriod containerLogMonitorInterval shutdownGracePeriod "
            "shutdownGracePeriodCriticalPods crashLoopBackOff.maxContainerRestartPeriod "
        ),
        FieldType.STRINGS_MAP: "staticPodURLHeader",
        **_LOGGING,
        FieldType.INTEGER64: "podPidsLimit maxOpenFiles userNamespaces.idsPerPod shutdownGracePeriodByPodPriority[].shutdownGracePeriodSeconds",
        FieldType.QUANTITY_MAP: "reservedMemory[].limits",
        FieldType.INTEGER: (
            "shutdownGracePeriodByPodPriority[].priority reservedMemory[].numaNode port readOnlyPort registryPullQPS registryBurst eventRecordQPS eventBurst healthzPort oomScoreAdj "
            "nodeLeaseDurationSeconds imageGCHighThresholdPercent imageGCLowThresholdPercent maxPods nodeStatusMaxImages "
            "kubeAPIQPS kubeAPIBurst maxParallelImagePulls evictionMaxPodGracePeriod podsPerCore iptablesMasqueradeBit "
            "iptablesDropBit containerLogMaxFiles containerLogMaxWorkers tracing.samplingRatePerMillion "
        ),
        FieldType.STRINGS: ("tlsCipherSuites preloadedImagesVerificationAllowlist clusterDNS enforceNodeAllocatable allowedUnsafeSysctls "),
        FieldType.INTEGERS: ("tlsCurvePreferences "),
        FieldType.STRING_MAP: (
            "cpuManagerPolicyOptions topologyManagerPolicyOptions qosReserved evictionHard evictionSoft "
            "evictionSoftGracePeriod evictionMinimumReclaim systemReserved kubeReserved defaultPodSysctls "
        ),
        FieldType.BOOLEAN_MAP: ("featureGates "),
        # rule owned-field reports it
        FieldType.LIST: "registerWithTaints",
        FieldType.NUMBER: ("memoryThrottlingFactor "),
    }
)

KUBE_PROXY = _fields(
    {
        FieldType.BOOLEAN_MAP: ("featureGates "),
        FieldType.STRING: (
            "clientConnection.kubeconfig clientConnection.acceptContentTypes clientConnection.contentType logging.format logging.vmodule[].filePattern "
            "hostnameOverride bindAddress healthzBindAddress metricsBindAddress showHiddenMetricsForVersion mode "
            "ipvs.scheduler winkernel.networkName winkernel.sourceVip winkernel.rootHnsEndpointName detectLocalMode "
            "detectLocal.bridgeInterface detectLocal.interfaceNamePrefix clusterCIDR portRange "
        ),
        FieldType.NUMBER: ("clientConnection.qps "),
        FieldType.INTEGER: (
            "clientConnection.burst iptables.masqueradeBit nftables.masqueradeBit oomScoreAdj conntrack.maxPerCore conntrack.min "
        ),
        **_LOGGING,
        FieldType.BOOLEAN: (
            "bindAddressHardFail enableProfiling iptables.masqueradeAll iptables.localhostNodePorts ipvs.strictARP "
            "nftables.masqueradeAll winkernel.enableDSR winkernel.forwardHealthCheckVip conntrack.tcpBeLiberal "
            "windowsRunAsService logging.options.text.splitStream logging.options.json.splitStream "
        ),
        FieldType.DURATION: (
            "iptables.syncPeriod iptables.minSyncPeriod ipvs.syncPeriod ipvs.minSyncPeriod ipvs.tcpTimeout "
            "ipvs.tcpFinTimeout ipvs.udpTimeout nftables.syncPeriod nftables.minSyncPeriod conntrack.tcpEstablishedTimeout "
            "conntrack.tcpCloseWaitTimeout conntrack.udpTimeout conntrack.udpStreamTimeout configSyncPeriod "
        ),
        FieldType.STRINGS: ("ipvs.excludeCIDRs nodePortAddresses "),
    }
)


def kubelet_fields(minor: Minor) -> dict[str, FieldType]:
    """The fields of KubeletConfiguration in this minor. KubeProxyConfiguration has the same fields in all supported minors."""
    return of_minor("kubelet_fields", KUBELET, minor)


def expected_type(known: Mapping[str, FieldType], name: str) -> FieldType | None:
    """The type of a field; None for an unknown one."""
    if has_subfields(known, f"{name}[]"):
        return FieldType.LIST
    return FieldType.MAPPING if has_subfields(known, name) else known.get(name)


def has_subfields(known: Mapping[str, FieldType], name: str) -> bool:
    """Whether the field is a mapping with known fields; with `[]`, a list of them."""
    return any(field.startswith(f"{name}.") for field in known)


def has_type(expected: FieldType, value: Any) -> bool:  # noqa: PLR0911, PLR0912 one a kind
    """Whether Go can decode the value."""
    from cluster.rules.component_values import is_quantity, nanoseconds

    match expected:
        case FieldType.BOOLEAN:
            return isinstance(value, bool)
        case FieldType.STRING:
            return isinstance(value, str)
        case FieldType.INTEGER:
            return _is_integer(value, 31)
        case FieldType.INTEGER64:
            return _is_integer(value, 63)
        case FieldType.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case FieldType.DURATION:
            return isinstance(value, str) and nanoseconds(value) is not None
        case FieldType.INTERVAL:
            return _is_integer(value, 63) or (isinstance(value, str) and nanoseconds(value) is not None)
        case FieldType.VERBOSITY:
            return _is_integer(value, 31) and value >= 0
        case FieldType.QUANTITY:
            return is_quantity(value)
        case FieldType.QUANTITY_MAP:
            return isinstance(value, dict) and all(is_quantity(item) for item in value.values())
        case FieldType.STRINGS_MAP:
            return isinstance(value, dict) and all(_is_strings(item) for item in value.values())
        case FieldType.STRINGS:
            return _is_strings(value)
        case FieldType.INTEGERS:
            return isinstance(value, list) and all(_is_integer(item, 31) for item in value)
        case FieldType.STRING_MAP:
            return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
        case FieldType.BOOLEAN_MAP:
            return isinstance(value, dict) and all(isinstance(item, bool) for item in value.values())
        case FieldType.LIST:
            return isinstance(value, list)
        case FieldType.MAPPING:
            return isinstance(value, dict)


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_integer(value: Any, bits: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**bits) <= value < 2**bits
