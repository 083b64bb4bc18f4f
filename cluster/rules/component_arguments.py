"""The command-line arguments of the components, from `--help` of Kubernetes 1.35 to 1.37 and their etcd, without hidden (deprecated) arguments."""

from __future__ import annotations

from enum import Enum

from cluster.rules.component_history import of_minor
from cluster.vocabulary.releases import Minor


class ArgumentType(Enum):
    """The type of an argument."""

    BOOLEAN = "true or false"
    INTEGER = "an integer"
    DURATION = "a duration such as 30s or 1h30m"
    STRING = "a string"


def _arguments(names: dict[ArgumentType, str]) -> dict[str, ArgumentType]:
    return {name: kind for kind, listed in names.items() for name in listed.split()}


# of all supported minors; arguments_of returns the arguments of one minor
ARGUMENTS: dict[str, dict[str, ArgumentType]] = {
    "apiserver": _arguments(
        {
            ArgumentType.BOOLEAN: (
                "aggregator-reject-forwarding-redirect allow-privileged anonymous-auth audit-log-batch-throttle-enable "
                "audit-log-compress audit-log-truncate-enabled audit-webhook-batch-throttle-enable "
                "audit-webhook-truncate-enabled contention-profiling disable-http2-serving emulation-forward-compatible "
                "enable-aggregator-routing enable-bootstrap-token-auth enable-garbage-collector enable-logs-handler "
                "enable-priority-and-fairness encryption-provider-config-automatic-reload log-json-split-stream "
                "log-text-split-stream permit-address-sharing permit-port-sharing profiling "
                "runtime-config-emulation-forward-compatible service-account-extend-token-expiration service-account-lookup "
                "shutdown-send-retry-after watch-cache "
            ),
            ArgumentType.INTEGER: (
                "audit-log-batch-buffer-size audit-log-batch-max-size audit-log-batch-throttle-burst audit-log-maxage "
                "audit-log-maxbackup audit-log-maxsize audit-log-truncate-max-batch-size audit-log-truncate-max-event-size "
                "audit-webhook-batch-buffer-size audit-webhook-batch-max-size audit-webhook-batch-throttle-burst "
                "audit-webhook-truncate-max-batch-size audit-webhook-truncate-max-event-size "
                "default-not-ready-toleration-seconds default-unreachable-toleration-seconds delete-collection-workers "
                "http2-max-streams-per-connection kubernetes-service-node-port lease-reuse-duration-seconds "
                "max-connection-bytes-per-sec max-mutating-requests-inflight max-requests-inflight min-request-timeout "
                "secure-port "
            ),
            ArgumentType.DURATION: (
                "audit-log-batch-max-wait audit-webhook-batch-max-wait audit-webhook-initial-backoff "
                "authentication-token-webhook-cache-ttl authorization-webhook-cache-authorized-ttl "
                "authorization-webhook-cache-unauthorized-ttl coordinated-leadership-lease-duration "
                "coordinated-leadership-renew-deadline coordinated-leadership-retry-period etcd-compaction-interval "
                "etcd-count-metric-poll-period etcd-db-metric-poll-interval etcd-healthcheck-timeout "
                "etcd-readycheck-timeout event-ttl kubelet-timeout livez-grace-period log-flush-frequency request-timeout "
                "service-account-max-token-expiration shutdown-delay-duration shutdown-watch-termination-grace-period "
                "storage-initialization-timeout "
            ),
            ArgumentType.STRING: (
                "admission-control admission-control-config-file advertise-address allow-metric-labels "
                "allow-metric-labels-manifest api-audiences audit-log-batch-throttle-qps audit-log-format audit-log-mode "
                "audit-log-path audit-log-version audit-policy-file audit-webhook-batch-throttle-qps "
                "audit-webhook-config-file audit-webhook-mode audit-webhook-version authentication-config "
                "authentication-token-webhook-config-file authentication-token-webhook-version authorization-config "
                "authorization-mode authorization-policy-file authorization-webhook-config-file "
                "authorization-webhook-version bind-address cert-dir client-ca-file cors-allowed-origins debug-socket-path "
                "disable-admission-plugins disabled-metrics egress-selector-config-file emulated-version "
                "enable-admission-plugins encryption-provider-config endpoint-reconciler-type etcd-cafile etcd-certfile "
                "etcd-keyfile etcd-prefix etcd-servers etcd-servers-overrides external-hostname feature-gates goaway-chance "
                "kubelet-certificate-authority kubelet-client-certificate kubelet-client-key "
                "kubelet-preferred-address-types log-json-info-buffer-size log-text-info-buffer-size logging-format "
                "min-compatibility-version oidc-ca-file oidc-client-id oidc-groups-claim oidc-groups-prefix oidc-issuer-url "
                "oidc-required-claim oidc-signing-algs oidc-username-claim oidc-username-prefix peer-advertise-ip "
                "peer-advertise-port peer-ca-file proxy-client-cert-file proxy-client-key-file requestheader-allowed-names "
                "requestheader-client-ca-file requestheader-extra-headers-prefix requestheader-group-headers "
                "requestheader-uid-headers requestheader-username-headers runtime-config service-account-issuer "
                "service-account-jwks-uri service-account-key-file service-account-signing-endpoint "
                "service-account-signing-key-file service-cluster-ip-range service-node-port-range "
                "show-hidden-metrics-for-version storage-backend storage-media-type strict-transport-security-directives "
                "tls-cert-file tls-cipher-suites tls-curve-preferences tls-min-version tls-private-key-file "
                "tls-sni-cert-key token-auth-file tracing-config-file v vmodule watch-cache-sizes "
            ),
        }
    ),
    "controller_manager": _arguments(
        {
            ArgumentType.BOOLEAN: (
                "allocate-node-cidrs authentication-skip-lookup authentication-tolerate-lookup-failure "
                "configure-cloud-routes contention-profiling disable-attach-detach-reconcile-sync "
                "disable-force-detach-on-timeout disable-http2-serving enable-dynamic-provisioning enable-garbage-collector "
                "enable-hostpath-provisioner enable-leader-migration leader-elect log-json-split-stream "
                "log-text-split-stream permit-address-sharing permit-port-sharing profiling use-service-account-credentials "
            ),
            ArgumentType.INTEGER: (
                "concurrent-cron-job-syncs concurrent-daemonset-syncs concurrent-deployment-syncs concurrent-disruption-syncs "
                "concurrent-device-taint-eviction-syncs concurrent-endpoint-syncs concurrent-ephemeralvolume-syncs "
                "concurrent-gc-syncs concurrent-horizontal-pod-autoscaler-syncs concurrent-job-syncs "
                "concurrent-namespace-syncs concurrent-rc-syncs concurrent-replicaset-syncs concurrent-resource-quota-syncs "
                "concurrent-resourceclaim-syncs concurrent-service-endpoint-syncs concurrent-service-syncs "
                "concurrent-serviceaccount-token-syncs concurrent-statefulset-syncs concurrent-ttl-after-finished-syncs "
                "concurrent-validating-admission-policy-status-syncs http2-max-streams-per-connection kube-api-burst "
                "large-cluster-size-threshold max-endpoints-per-slice mirroring-concurrent-service-endpoint-syncs "
                "mirroring-max-endpoints-per-subset node-cidr-mask-size node-cidr-mask-size-ipv4 node-cidr-mask-size-ipv6 "
                "pv-recycler-increment-timeout-nfs pv-recycler-minimum-timeout-hostpath pv-recycler-minimum-timeout-nfs "
                "pv-recycler-timeout-increment-hostpath secure-port terminated-pod-gc-threshold "
            ),
            ArgumentType.DURATION: (
                "attach-detach-reconcile-sync-period authentication-token-webhook-cache-ttl "
                "authorization-webhook-cache-authorized-ttl authorization-webhook-cache-unauthorized-ttl "
                "cluster-signing-duration controller-shutdown-timeout controller-start-interval "
                "endpoint-updates-batch-period endpointslice-updates-batch-period "
                "horizontal-pod-autoscaler-cpu-initialization-period horizontal-pod-autoscaler-downscale-stabilization "
                "horizontal-pod-autoscaler-initial-readiness-delay horizontal-pod-autoscaler-sync-period "
                "leader-elect-lease-duration leader-elect-renew-deadline leader-elect-retry-period "
                "legacy-service-account-token-clean-up-period log-flush-frequency min-resync-period "
                "mirroring-endpointslice-updates-batch-period namespace-sync-period node-monitor-grace-period "
                "node-monitor-period node-startup-grace-period pvclaimbinder-sync-period resource-quota-sync-period "
                "route-reconciliation-period "
            ),
            ArgumentType.STRING: (
                "allow-metric-labels allow-metric-labels-manifest authentication-kubeconfig "
                "authorization-always-allow-paths authorization-kubeconfig bind-address cert-dir cidr-allocator-type "
                "client-ca-file cloud-config cloud-provider cluster-cidr cluster-name cluster-signing-cert-file "
                "cluster-signing-key-file cluster-signing-kube-apiserver-client-cert-file "
                "cluster-signing-kube-apiserver-client-key-file cluster-signing-kubelet-client-cert-file "
                "cluster-signing-kubelet-client-key-file cluster-signing-kubelet-serving-cert-file "
                "cluster-signing-kubelet-serving-key-file cluster-signing-legacy-unknown-cert-file "
                "cluster-signing-legacy-unknown-key-file controllers disabled-metrics emulated-version "
                "external-cloud-volume-plugin feature-gates flex-volume-plugin-dir horizontal-pod-autoscaler-tolerance "
                "kube-api-content-type kube-api-qps kubeconfig leader-elect-resource-lock leader-elect-resource-name "
                "leader-elect-resource-namespace leader-migration-config log-json-info-buffer-size "
                "log-text-info-buffer-size logging-format master min-compatibility-version node-eviction-rate "
                "pv-recycler-pod-template-filepath-hostpath pv-recycler-pod-template-filepath-nfs "
                "requestheader-allowed-names requestheader-client-ca-file requestheader-extra-headers-prefix "
                "requestheader-group-headers requestheader-uid-headers requestheader-username-headers root-ca-file "
                "secondary-node-eviction-rate service-account-private-key-file service-cluster-ip-range "
                "show-hidden-metrics-for-version tls-cert-file tls-cipher-suites tls-curve-preferences tls-min-version "
                "tls-private-key-file tls-sni-cert-key unhealthy-zone-threshold v vmodule "
            ),
        }
    ),
    "scheduler": _arguments(
        {
            ArgumentType.BOOLEAN: (
                "authentication-skip-lookup authentication-tolerate-lookup-failure contention-profiling "
                "disable-http2-serving leader-elect log-json-split-stream log-text-split-stream permit-address-sharing "
                "permit-port-sharing profiling "
            ),
            ArgumentType.INTEGER: ("http2-max-streams-per-connection kube-api-burst secure-port "),
            ArgumentType.DURATION: (
                "authentication-token-webhook-cache-ttl authorization-webhook-cache-authorized-ttl "
                "authorization-webhook-cache-unauthorized-ttl leader-elect-lease-duration leader-elect-renew-deadline "
                "leader-elect-retry-period log-flush-frequency pod-max-in-unschedulable-pods-duration "
            ),
            ArgumentType.STRING: (
                "allow-metric-labels allow-metric-labels-manifest authentication-kubeconfig "
                "authorization-always-allow-paths authorization-kubeconfig bind-address cert-dir client-ca-file config "
                "disabled-metrics emulated-version feature-gates kube-api-content-type kube-api-qps kubeconfig "
                "leader-elect-resource-lock leader-elect-resource-name leader-elect-resource-namespace "
                "log-json-info-buffer-size log-text-info-buffer-size logging-format master min-compatibility-version "
                "requestheader-allowed-names requestheader-client-ca-file requestheader-extra-headers-prefix "
                "requestheader-group-headers requestheader-uid-headers requestheader-username-headers "
                "show-hidden-metrics-for-version tls-cert-file tls-cipher-suites tls-curve-preferences tls-min-version "
                "tls-private-key-file tls-sni-cert-key v vmodule write-config-to "
            ),
        }
    ),
    "etcd": _arguments(
        {
            ArgumentType.STRING: (
                "advertise-client-urls auth-token auth-token-ttl auto-compaction-mode auto-compaction-retention auto-tls "
                "backend-batch-interval backend-batch-limit backend-bbolt-freelist-type bcrypt-cost "
                "bootstrap-defrag-threshold-megabytes cert-file cipher-suites client-cert-allowed-hostname client-cert-auth "
                "client-cert-file client-crl-file client-key-file compact-hash-check-time compaction-batch-limit "
                "compaction-sleep-interval corrupt-check-time cors data-dir discovery discovery-cacert discovery-cert "
                "discovery-dial-timeout discovery-endpoints discovery-fallback discovery-insecure-skip-tls-verify "
                "discovery-insecure-transport discovery-keepalive-time discovery-keepalive-timeout discovery-key "
                "discovery-password discovery-proxy discovery-request-timeout discovery-srv discovery-srv-name "
                "discovery-token discovery-user distributed-tracing-address distributed-tracing-instance-id "
                "distributed-tracing-sampling-rate distributed-tracing-service-name downgrade-check-time election-timeout "
                "enable-distributed-tracing enable-grpc-gateway enable-log-rotation enable-pprof "
                "experimental-bootstrap-defrag-threshold-megabytes experimental-compact-hash-check-enabled "
                "experimental-compact-hash-check-time experimental-compaction-batch-limit "
                "experimental-compaction-sleep-interval experimental-corrupt-check-time "
                "experimental-distributed-tracing-address experimental-distributed-tracing-instance-id "
                "experimental-distributed-tracing-sampling-rate experimental-distributed-tracing-service-name "
                "experimental-downgrade-check-time experimental-enable-distributed-tracing "
                "experimental-enable-lease-checkpoint experimental-enable-lease-checkpoint-persist "
                "experimental-initial-corrupt-check experimental-memory-mlock "
                "experimental-peer-skip-client-san-verification experimental-snapshot-catchup-entries "
                "experimental-stop-grpc-service-on-defrag experimental-txn-mode-write-with-shared-buffer "
                "experimental-warning-apply-duration experimental-warning-unary-request-duration "
                "experimental-watch-progress-notify-interval feature-gates force-new-cluster grpc-keepalive-interval "
                "grpc-keepalive-min-time grpc-keepalive-timeout heartbeat-interval host-whitelist "
                "initial-advertise-peer-urls initial-cluster initial-cluster-state initial-cluster-token "
                "initial-election-tick-advance key-file listen-client-http-urls listen-client-urls listen-metrics-urls "
                "listen-peer-urls log-format log-level log-outputs log-rotation-config-json logger max-concurrent-streams "
                "max-learners max-request-bytes max-snapshots max-txn-ops max-wals memory-mlock metrics name peer-auto-tls "
                "peer-cert-allowed-cn peer-cert-allowed-hostname peer-cert-file peer-client-cert-auth peer-client-cert-file "
                "peer-client-key-file peer-crl-file peer-key-file peer-skip-client-san-verification peer-trusted-ca-file "
                "pre-vote quota-backend-bytes raft-read-timeout raft-write-timeout self-signed-cert-validity "
                "snapshot-catchup-entries snapshot-count socket-reuse-address socket-reuse-port strict-reconfig-check "
                "tls-max-version tls-min-version trusted-ca-file unsafe-no-fsync v2-deprecation wal-dir "
                "warning-apply-duration warning-unary-request-duration watch-progress-notify-interval "
            ),
        }
    ),
    "kubelet": _arguments(
        {
            ArgumentType.BOOLEAN: (
                "anonymous-auth authentication-token-webhook cgroups-per-qos contention-profiling cpu-cfs-quota "
                "enable-controller-attach-detach enable-debugging-handlers enable-load-reader enable-server "
                "exit-on-lock-contention experimental-allocatable-ignore-eviction fail-cgroupv1 fail-swap-on "
                "kernel-memcg-notification local-storage-capacity-isolation log-cadvisor-usage log-json-split-stream "
                "log-text-split-stream make-iptables-util-chains protect-kernel-defaults register-node rotate-certificates "
                "rotate-server-certificates runonce serialize-image-pulls storage-driver-secure "
            ),
            ArgumentType.INTEGER: (
                "application-metrics-count-limit container-log-max-files event-burst event-qps "
                "eviction-max-pod-grace-period healthz-port image-gc-high-threshold image-gc-low-threshold kube-api-burst "
                "kube-api-qps max-open-files max-pods maximum-dead-containers maximum-dead-containers-per-container "
                "node-status-max-images oom-score-adj pod-max-pids pods-per-core port read-only-port registry-burst "
                "registry-qps "
            ),
            ArgumentType.DURATION: (
                "authentication-token-webhook-cache-ttl authorization-webhook-cache-authorized-ttl "
                "authorization-webhook-cache-unauthorized-ttl cpu-cfs-quota-period cpu-manager-reconcile-period "
                "eviction-pressure-transition-period file-check-frequency global-housekeeping-interval "
                "housekeeping-interval http-check-frequency log-flush-frequency minimum-container-ttl-duration "
                "minimum-image-ttl-duration node-status-update-frequency runtime-request-timeout "
                "storage-driver-buffer-duration streaming-connection-idle-timeout sync-frequency volume-stats-agg-period "
            ),
            ArgumentType.STRING: (
                "address allowed-unsafe-sysctls authorization-mode boot-id-file bootstrap-kubeconfig cert-dir cgroup-driver "
                "cgroup-root client-ca-file cloud-provider cluster-dns cluster-domain config config-dir container-hints "
                "container-log-max-size container-runtime-endpoint containerd containerd-namespace cpu-manager-policy "
                "cpu-manager-policy-options enforce-node-allocatable event-storage-age-limit event-storage-event-limit "
                "eviction-hard eviction-minimum-reclaim eviction-soft eviction-soft-grace-period experimental-mounter-path "
                "feature-gates hairpin-mode healthz-bind-address hostname-override image-credential-provider-bin-dir "
                "image-credential-provider-config image-service-endpoint kube-api-content-type kube-reserved "
                "kube-reserved-cgroup kubeconfig kubelet-cgroups lock-file log-json-info-buffer-size "
                "log-text-info-buffer-size logging-format machine-id-file manifest-url manifest-url-header "
                "memory-manager-policy node-ip node-labels pod-cidr pod-manifest-path provider-id qos-reserved "
                "register-with-taints reserved-cpus reserved-memory resolv-conf root-dir runtime-cgroups seccomp-default "
                "storage-driver-db storage-driver-host storage-driver-password storage-driver-table storage-driver-user "
                "system-cgroups system-reserved system-reserved-cgroup tls-cert-file tls-cipher-suites tls-min-version "
                "tls-private-key-file topology-manager-policy topology-manager-policy-options topology-manager-scope v "
                "vmodule volume-plugin-dir "
            ),
        }
    ),
}


def removed_arguments(component: str, minor: Minor) -> frozenset[str]:
    """The arguments that other supported minors have, and the component of this minor has not: it does not start with one of them."""
    return frozenset(ARGUMENTS[component].keys() - arguments_of(component, minor).keys())


def arguments_of(component: str, minor: Minor) -> dict[str, ArgumentType]:
    """The arguments that the component of this minor has."""
    return of_minor(component, ARGUMENTS[component], minor)
