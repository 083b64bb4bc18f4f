"""The fields of KubeletConfiguration (v1beta1) and KubeProxyConfiguration (v1alpha1) and their types.

From the Go types of Kubernetes 1.35 to 1.37 (k8s.io/kubelet, k8s.io/kube-proxy, k8s.io/component-base). kubeadm
decodes strictly, and the kubelet does not start with a value of another type. A dot separates a mapping from its field.
"""

from __future__ import annotations

from enum import Enum

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
    LIST = "a list"
    MAPPING = "a mapping"
    ANY = "a value"


def _fields(names: dict[FieldType, str]) -> dict[str, FieldType]:
    return {name: kind for kind, listed in names.items() for name in listed.split()}


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
        ),
        FieldType.STRING: (
            "staticPodPath podLogsDir staticPodURL address tlsCertFile tlsPrivateKeyFile tlsMinVersion "
            "authentication.x509.clientCAFile authorization.mode imagePullCredentialsVerificationPolicy healthzBindAddress "
            "clusterDomain kubeletCgroups systemCgroups cgroupRoot cgroupDriver cpuManagerPolicy memoryManagerPolicy "
            "topologyManagerPolicy topologyManagerScope hairpinMode podCIDR resolvConf contentType memorySwap.swapBehavior "
            "containerLogMaxSize configMapAndSecretChangeDetectionStrategy reservedSystemCPUs showHiddenMetricsForVersion "
            "systemReservedCgroup kubeReservedCgroup volumePluginDir providerID logging.format memoryReservationPolicy "
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
        FieldType.MAPPING: ("staticPodURLHeader logging.options.text logging.options.json "),
        FieldType.INTEGER: (
            "port readOnlyPort registryPullQPS registryBurst eventRecordQPS eventBurst healthzPort oomScoreAdj "
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
        FieldType.INTEGER64: ("podPidsLimit maxOpenFiles userNamespaces.idsPerPod "),
        FieldType.BOOLEAN_MAP: ("featureGates "),
        FieldType.ANY: ("logging.flushFrequency logging.verbosity "),
        FieldType.LIST: ("logging.vmodule shutdownGracePeriodByPodPriority reservedMemory registerWithTaints "),
        FieldType.NUMBER: ("memoryThrottlingFactor "),
    }
)

KUBE_PROXY = _fields(
    {
        FieldType.BOOLEAN_MAP: ("featureGates "),
        FieldType.STRING: (
            "clientConnection.kubeconfig clientConnection.acceptContentTypes clientConnection.contentType logging.format "
            "hostnameOverride bindAddress healthzBindAddress metricsBindAddress showHiddenMetricsForVersion mode "
            "ipvs.scheduler winkernel.networkName winkernel.sourceVip winkernel.rootHnsEndpointName detectLocalMode "
            "detectLocal.bridgeInterface detectLocal.interfaceNamePrefix clusterCIDR portRange "
        ),
        FieldType.NUMBER: ("clientConnection.qps "),
        FieldType.INTEGER: (
            "clientConnection.burst iptables.masqueradeBit nftables.masqueradeBit oomScoreAdj conntrack.maxPerCore conntrack.min "
        ),
        FieldType.ANY: ("logging.flushFrequency logging.verbosity "),
        FieldType.LIST: ("logging.vmodule "),
        FieldType.MAPPING: ("logging.options.text logging.options.json "),
        FieldType.BOOLEAN: (
            "bindAddressHardFail enableProfiling iptables.masqueradeAll iptables.localhostNodePorts ipvs.strictARP "
            "nftables.masqueradeAll winkernel.enableDSR winkernel.forwardHealthCheckVip conntrack.tcpBeLiberal "
            "windowsRunAsService "
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
