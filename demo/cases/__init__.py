"""The user cases of the IPv6 proposal as steps in its order, on hosts of a lab: `sixstack demo --case 1|2` and the tests run them.

A step runs the `sixstack` commands that a reader of the proposal runs, then compares the cluster with the proposal: ClusterError when they differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cluster.vocabulary.families import Family, StackMode
from demo.cases.business import BusinessCluster
from demo.cases.environment import CaseEnvironment
from demo.cases.management import ManagementCluster


@dataclass(frozen=True, slots=True)
class CaseStep:
    """One step: its number and title in the proposal, and a function that runs it and returns what it found."""

    title: str
    run: Callable[[], str]


def dual_stack_cluster(environment: CaseEnvironment) -> BusinessCluster:
    """The business cluster of Case 1: dual-stack, on the lab's first two hosts, reached over IPv4."""
    return BusinessCluster(environment, "business-ds", StackMode.DUAL_STACK, numbers=(1, 2), ssh=Family.IPV4)


def ipv6_cluster(environment: CaseEnvironment) -> BusinessCluster:
    """The business cluster of Case 2: IPv6-only, on the same hosts, reached over IPv6 (the proposal's solution 1)."""
    return BusinessCluster(environment, "business-sig", StackMode.IPV6, numbers=(1, 2), ssh=Family.IPV6)


def case_1(environment: CaseEnvironment) -> tuple[CaseStep, ...]:
    """Business cluster IPv6 dual stack test."""
    cluster = dual_stack_cluster(environment)
    return (
        CaseStep("1. Create the business cluster, without a pod network", cluster.create),
        CaseStep("2. The cluster is ready, CoreDNS is Pending", cluster.coredns_is_pending),
        CaseStep("2. Apply the Calico network plug-in: everything is Running", cluster.apply_calico),
        CaseStep("3. Create a worker of the business cluster", cluster.add_worker),
        CaseStep("4. Check the business cluster's status", cluster.every_node_is_ready),
        CaseStep("5. Deploy a workload: the pod has an IPv4 and an IPv6 address", cluster.deploy_workload),
        CaseStep("5. Ping the pod from the other host", cluster.ping_from_the_other_host),
    )


def case_2(environment: CaseEnvironment) -> tuple[CaseStep, ...]:
    """Business cluster IPv6 single stack test."""
    before, platform, cluster = dual_stack_cluster(environment), ManagementCluster(environment), ipv6_cluster(environment)
    return (
        CaseStep("0. Free up the business cluster of Case 1, to reuse its hosts", before.delete),
        CaseStep("0. A management cluster, with stand-ins for tke-platform-api and tke-platform-controller", platform.make),
        CaseStep("1.-3. Scale the platform down, give it the host's network, scale it up", platform.set_host_network),
        CaseStep("3. The platform is available again, and reaches IPv6 hosts", platform.reaches_ipv6_hosts),
        CaseStep("4. Create the business cluster, without a pod network", cluster.create),
        CaseStep("5. The cluster is ready, CoreDNS is Pending", cluster.coredns_is_pending),
        CaseStep("5. Apply the Calico network plug-in: everything is Running", cluster.apply_calico),
        CaseStep("6. Create a worker of the business cluster", cluster.add_worker),
        CaseStep("7. Check the business cluster's status", cluster.every_node_is_ready),
        CaseStep("8. Deploy a workload: the pod has an IPv6 address only", cluster.deploy_workload),
        CaseStep("8. Ping the pod from the other host", cluster.ping_from_the_other_host),
    )


CASES = {1: case_1, 2: case_2}
