"""The actions that replace a cluster by a new one."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.migration.difference import Difference
from cluster.vocabulary.migration import NOTHING, SERVICE_RANGES, WITH_KUBEADM, Action


def recreate(difference: Difference) -> Iterator[Action]:
    """The new cluster runs beside the old one if there are other hosts."""
    old, new = tuple(host.name for host in difference.old.hosts), tuple(host.name for host in difference.new.hosts)
    yield Action(
        "write the new file with another cluster name and other hosts, then sixstack create",
        ("hosts without a cluster",),
        NOTHING,
        "the old cluster keeps running. Without other hosts: back up, sixstack delete with the old file, sixstack create with the new "
        "file; nothing runs in between",
        SERVICE_RANGES,
    )
    yield Action(
        "apply the workloads to the new cluster, and restore their data from a backup (not from a snapshot of etcd, which has the old addresses)",
        (f"cluster {difference.old.name}", "the new cluster"),
        "every pod starts in the new cluster; Services get new addresses",
        f"the address of a Service is immutable, and the new cluster's addresses are in {', '.join(map(str, difference.new.service_ranges))}",
        SERVICE_RANGES,
    )
    yield Action(
        "switch clients to the new cluster: DNS names, load balancers, kubeconfigs",
        ("outside of both clusters",),
        "connections of those clients",
        "the API server and all Services have new addresses and certificates",
        SERVICE_RANGES,
    )
    yield Action(
        "sixstack delete with the old file",
        old,
        "everything that still runs in the old cluster",
        "this frees its hosts",
        SERVICE_RANGES,
    )
    if reused := tuple(name for name in new if name in old):
        yield Action(
            "add the freed hosts to the new file, then sixstack create",
            reused,
            NOTHING,
            "a host belongs to one cluster",
            WITH_KUBEADM,
        )
