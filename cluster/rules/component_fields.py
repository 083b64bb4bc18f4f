"""The fields of KubeletConfiguration (v1beta1) and KubeProxyConfiguration (v1alpha1) and what each holds.

Read off the Go types of Kubernetes 1.35 to 1.37 (k8s.io/kubelet, k8s.io/kube-proxy, k8s.io/component-base): kubeadm decodes strictly, and the kubelet
does not start with a value of another type. A dot leads into a mapping.
"""

from __future__ import annotations

from enum import Enum

from cluster.rules.component_history import of_minor
from cluster.vocabulary.releases import Minor


class Holds(Enum):
    """What a field holds, in words."""

    BOOL = "true or false"
    TEXT = "a text"
    NUMBER = "a whole number"
    LARGE = "a whole number of 64 bits"
    DECIMAL = "a number"
    DURATION = 'a duration such as "30s" or "1h30m"'
    TEXTS = "a list of texts"
    NUMBERS = "a list of whole numbers"
    TEXTS_BY_NAME = "a mapping of names to texts"
    SWITCHES = "a mapping of names to true or false"
    LIST = "a list"
    MAPPING = "a mapping"
    ANYTHING = "a value"


def _fields(names: dict[Holds, str]) -> dict[str, Holds]:
    return {name: holds for holds, listed in names.items() for name in listed.split()}


# of all supported minors; kubelet_fields has those of one
KUBELET = _fields(
    {
        Holds.BOOL: (
            "enableServer rotateCertificates serverTLSBootstrap authentication.webhook.enabled "
            "authentication.anonymous.enabled enableDebuggingHandlers enableContentionProfiling cgroupsPerQOS "
            "singleProcessOOMKill runOnce cpuCFSQuota serializeImagePulls mergeDefaultEvictionSettings "
            "enableControllerAttachDetach protectKernelDefaults makeIPTablesUtilChains failSwapOn kernelMemcgNotification "
            "enableSystemLogHandler enableSystemLogQuery enableProfilingHandler enableDebugFlagsHandler seccompDefault "
            "registerNode localStorageCapacityIsolation failCgroupV1 "
        ),
        Holds.TEXT: (
            "staticPodPath podLogsDir staticPodURL address tlsCertFile tlsPrivateKeyFile tlsMinVersion "
            "authentication.x509.clientCAFile authorization.mode imagePullCredentialsVerificationPolicy healthzBindAddress "
            "clusterDomain kubeletCgroups systemCgroups cgroupRoot cgroupDriver cpuManagerPolicy memoryManagerPolicy "
            "topologyManagerPolicy topologyManagerScope hairpinMode podCIDR resolvConf contentType memorySwap.swapBehavior "
            "containerLogMaxSize configMapAndSecretChangeDetectionStrategy reservedSystemCPUs showHiddenMetricsForVersion "
            "systemReservedCgroup kubeReservedCgroup volumePluginDir providerID logging.format memoryReservationPolicy "
            "tracing.endpoint containerRuntimeEndpoint imageServiceEndpoint "
        ),
        Holds.DURATION: (
            "syncFrequency fileCheckFrequency httpCheckFrequency authentication.webhook.cacheTTL "
            "authorization.webhook.cacheAuthorizedTTL authorization.webhook.cacheUnauthorizedTTL "
            "streamingConnectionIdleTimeout nodeStatusUpdateFrequency nodeStatusReportFrequency imageMinimumGCAge "
            "imageMaximumGCAge volumeStatsAggPeriod cpuManagerReconcilePeriod runtimeRequestTimeout cpuCFSQuotaPeriod "
            "evictionPressureTransitionPeriod containerLogMonitorInterval shutdownGracePeriod "
            "shutdownGracePeriodCriticalPods crashLoopBackOff.maxContainerRestartPeriod "
        ),
        Holds.MAPPING: ("staticPodURLHeader logging.options.text logging.options.json "),
        Holds.NUMBER: (
            "port readOnlyPort registryPullQPS registryBurst eventRecordQPS eventBurst healthzPort oomScoreAdj "
            "nodeLeaseDurationSeconds imageGCHighThresholdPercent imageGCLowThresholdPercent maxPods nodeStatusMaxImages "
            "kubeAPIQPS kubeAPIBurst maxParallelImagePulls evictionMaxPodGracePeriod podsPerCore iptablesMasqueradeBit "
            "iptablesDropBit containerLogMaxFiles containerLogMaxWorkers tracing.samplingRatePerMillion "
        ),
        Holds.TEXTS: ("tlsCipherSuites preloadedImagesVerificationAllowlist clusterDNS enforceNodeAllocatable allowedUnsafeSysctls "),
        Holds.NUMBERS: ("tlsCurvePreferences "),
        Holds.TEXTS_BY_NAME: (
            "cpuManagerPolicyOptions topologyManagerPolicyOptions qosReserved evictionHard evictionSoft "
            "evictionSoftGracePeriod evictionMinimumReclaim systemReserved kubeReserved defaultPodSysctls "
        ),
        Holds.LARGE: ("podPidsLimit maxOpenFiles userNamespaces.idsPerPod "),
        Holds.SWITCHES: ("featureGates "),
        Holds.ANYTHING: ("logging.flushFrequency logging.verbosity "),
        Holds.LIST: ("logging.vmodule shutdownGracePeriodByPodPriority reservedMemory registerWithTaints "),
        Holds.DECIMAL: ("memoryThrottlingFactor "),
    }
)

KUBE_PROXY = _fields(
    {
        Holds.SWITCHES: ("featureGates "),
        Holds.TEXT: (
            "clientConnection.kubeconfig clientConnection.acceptContentTypes clientConnection.contentType logging.format "
            "hostnameOverride bindAddress healthzBindAddress metricsBindAddress showHiddenMetricsForVersion mode "
            "ipvs.scheduler winkernel.networkName winkernel.sourceVip winkernel.rootHnsEndpointName detectLocalMode "
            "detectLocal.bridgeInterface detectLocal.interfaceNamePrefix clusterCIDR portRange "
        ),
        Holds.DECIMAL: ("clientConnection.qps "),
        Holds.NUMBER: (
            "clientConnection.burst iptables.masqueradeBit nftables.masqueradeBit oomScoreAdj conntrack.maxPerCore conntrack.min "
        ),
        Holds.ANYTHING: ("logging.flushFrequency logging.verbosity "),
        Holds.LIST: ("logging.vmodule "),
        Holds.MAPPING: ("logging.options.text logging.options.json "),
        Holds.BOOL: (
            "bindAddressHardFail enableProfiling iptables.masqueradeAll iptables.localhostNodePorts ipvs.strictARP "
            "nftables.masqueradeAll winkernel.enableDSR winkernel.forwardHealthCheckVip conntrack.tcpBeLiberal "
            "windowsRunAsService "
        ),
        Holds.DURATION: (
            "iptables.syncPeriod iptables.minSyncPeriod ipvs.syncPeriod ipvs.minSyncPeriod ipvs.tcpTimeout "
            "ipvs.tcpFinTimeout ipvs.udpTimeout nftables.syncPeriod nftables.minSyncPeriod conntrack.tcpEstablishedTimeout "
            "conntrack.tcpCloseWaitTimeout conntrack.udpTimeout conntrack.udpStreamTimeout configSyncPeriod "
        ),
        Holds.TEXTS: ("ipvs.excludeCIDRs nodePortAddresses "),
    }
)


def kubelet_fields(minor: Minor) -> dict[str, Holds]:
    """The fields of KubeletConfiguration that this minor has; those of KubeProxyConfiguration are the same in all supported minors."""
    return of_minor("kubelet_fields", KUBELET, minor)
