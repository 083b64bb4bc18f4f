"""Differences between the supported minors of Kubernetes: arguments and fields that only some minors have.

The tables of component_arguments.py and component_fields.py list the names of every supported minor. A name that is not listed here exists in all minors.
tests/flows/test_kubernetes_versions.py compares the arguments with `--help` of each release; the fields come from the Go types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from cluster.vocabulary.releases import Minor

Kind = TypeVar("Kind")

# component -> the first minor that has the names
_FIRST: dict[str, dict[Minor, str]] = {
    "apiserver": {(1, 36): "tls-curve-preferences"},
    "controller_manager": {
        (1, 36): "concurrent-resourceclaim-syncs tls-curve-preferences",
        (1, 37): "concurrent-disruption-syncs",
    },
    "scheduler": {(1, 36): "tls-curve-preferences"},
    "kubelet_fields": {
        (1, 36): "tlsCurvePreferences memoryReservationPolicy",
        (1, 37): "defaultPodSysctls",
    },
}
# component -> the last minor that has the names
_LAST: dict[str, dict[Minor, str]] = {
    "controller_manager": {(1, 36): "concurrent-service-syncs"},
    "kubelet": {
        # arguments of cAdvisor
        (1, 36): (
            "application-metrics-count-limit boot-id-file container-hints containerd containerd-namespace enable-load-reader "
            "event-storage-age-limit event-storage-event-limit global-housekeeping-interval log-cadvisor-usage machine-id-file "
            "storage-driver-buffer-duration storage-driver-db storage-driver-host storage-driver-password storage-driver-secure "
            "storage-driver-table storage-driver-user"
        ),
    },
    "etcd": {
        # etcd 3.7 has most of these arguments without the prefix
        (1, 36): (
            "experimental-bootstrap-defrag-threshold-megabytes experimental-compact-hash-check-enabled "
            "experimental-compact-hash-check-time experimental-compaction-batch-limit experimental-compaction-sleep-interval "
            "experimental-corrupt-check-time experimental-distributed-tracing-address experimental-distributed-tracing-instance-id "
            "experimental-distributed-tracing-sampling-rate experimental-distributed-tracing-service-name "
            "experimental-downgrade-check-time experimental-enable-distributed-tracing experimental-enable-lease-checkpoint "
            "experimental-enable-lease-checkpoint-persist experimental-initial-corrupt-check experimental-memory-mlock "
            "experimental-peer-skip-client-san-verification experimental-snapshot-catchup-entries "
            "experimental-stop-grpc-service-on-defrag experimental-txn-mode-write-with-shared-buffer "
            "experimental-warning-apply-duration experimental-warning-unary-request-duration experimental-watch-progress-notify-interval"
        ),
    },
}


def of_minor(component: str, names: Mapping[str, Kind], minor: Minor) -> dict[str, Kind]:
    """The names of a component that this minor has."""
    absent = {name for first, listed in _FIRST.get(component, {}).items() if minor < first for name in listed.split()}
    absent |= {name for last, listed in _LAST.get(component, {}).items() if minor > last for name in listed.split()}
    return {name: kind for name, kind in names.items() if name not in absent}
