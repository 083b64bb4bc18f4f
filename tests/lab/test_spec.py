"""The cluster file of a lab."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from itertools import product
from pathlib import Path

import pytest

from cluster.file.reader import read_text
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.families import Family, StackMode
from cluster.vocabulary.spec import Role
from lab.network import INDEXES, lab_network
from lab.spec import cluster_document, cluster_file
from lab.state import BOTH, Lab, LabHost

LAB = Lab(name="x", folder=Path("/labs/x"), index=2, hosts=3, families=BOTH, management=BOTH)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKFNi4ZNBUHvW1TLHtMNOD9oZfvhNKO5fWqKd7G2g3mB"


def _hosts(lab: Lab) -> tuple[LabHost, ...]:
    return tuple(
        LabHost(
            name=lab.host_name(number),
            number=number,
            addresses=tuple(lab.network.address(number, family) for family in BOTH if family in lab.families),
            host_key=KEY,
            state="running",
            folder=lab.host_folder(lab.host_name(number)),
        )
        for number in range(1, lab.hosts + 1)
    )


@pytest.mark.parametrize(("stack", "primary", "cni", "v1"), list(product(StackMode, Family, ("flannel", "calico", "none"), (True, False))))
def test_the_file_is_a_cluster_file_without_a_problem(stack: StackMode, primary: Family, cni: str, v1: bool) -> None:
    """The product's own reader takes it, in every mode, and finds nothing to say."""
    reading = read_text(cluster_file(cluster_document(LAB, _hosts(LAB), stack, primary, cni=cni, cgroup_v1=v1)))
    assert reading.problems == ()
    assert reading.spec is not None
    assert [host.role for host in reading.spec.hosts] == [Role.CONTROL_PLANE, Role.WORKER, Role.WORKER]
    assert [host.ssh.host_key for host in reading.spec.hosts] == [KEY] * 3
    assert all(
        address in lab_network("x", 2).range(family) for host in reading.spec.hosts for family in BOTH if (address := host.address(family))
    )
    assert str(reading.spec.cni.kind) == cni
    assert ("failCgroupV1" in reading.spec.kubeadm.kubelet) is v1


@pytest.mark.parametrize("primary", list(Family))
def test_everything_is_in_the_order_of_the_families(primary: Family) -> None:
    """Addresses, pod and service ranges start with the primary family."""
    document = cluster_document(LAB, _hosts(LAB), StackMode.DUAL_STACK, primary, cgroup_v1=True)
    firsts = [document["network"]["pods"][0]["cidr"], document["network"]["services"][0], document["hosts"][0]["addresses"][0]]
    assert [":" in first for first in firsts] == [primary is Family.IPV6] * 3


def test_cluster_ranges_meet_no_labs_range() -> None:
    """Pods and services have addresses that no lab host can have."""
    document = cluster_document(LAB, _hosts(LAB), StackMode.DUAL_STACK, cgroup_v1=True)
    ranges = [ip_network(pods["cidr"]) for pods in document["network"]["pods"]] + [
        ip_network(text) for text in document["network"]["services"]
    ]
    labs = [lab_network("y", index).range(family) for index in INDEXES for family in BOTH]
    assert not [(one, other) for one in ranges for other in labs if one.version == other.version and one.overlaps(other)]


def test_fewer_hosts_can_be_asked_for() -> None:
    """`count` takes the first hosts."""
    assert [host["name"] for host in cluster_document(LAB, _hosts(LAB), StackMode.IPV4, count=2, cgroup_v1=True)["hosts"]] == ["x-1", "x-2"]


def test_ssh_goes_where_the_machine_has_an_address() -> None:
    """A machine without IPv6 on the bridge reaches hosts of an IPv6 cluster over IPv4, and the other way round."""
    for management, version in ((Family.IPV4, False), (Family.IPV6, True)):
        lab = replace(LAB, management=(management,))
        ssh = cluster_document(lab, _hosts(lab), StackMode.IPV6, cgroup_v1=True)["hosts"][0]["ssh"]["address"]
        assert (":" in ssh) is version


@pytest.mark.parametrize("family", list(Family))
def test_ssh_goes_over_the_family_that_is_asked_for(family: Family) -> None:
    """Whatever families the cluster has."""
    for stack in StackMode:
        ssh = cluster_document(LAB, _hosts(LAB), stack, ssh=family, cgroup_v1=True)["hosts"][0]["ssh"]["address"]
        assert (":" in ssh) is (family is Family.IPV6)


def test_ssh_over_a_family_that_the_machine_lacks_is_refused() -> None:
    """The command that gives it one is named."""
    lab = replace(LAB, management=(Family.IPV4,))
    with pytest.raises(EnvironmentFault, match=r"--management ipv6"):
        cluster_document(lab, _hosts(lab), StackMode.IPV6, ssh=Family.IPV6, cgroup_v1=True)


@pytest.mark.parametrize(
    ("lab", "stack", "count", "hint"),
    [
        (replace(LAB, families=(Family.IPV6,)), StackMode.DUAL_STACK, None, "have no ipv4 address.*--families ipv4,ipv6"),
        (LAB, StackMode.IPV4, 4, "has 3 hosts, not 4.*--hosts 4"),
        (replace(LAB, families=(Family.IPV6,), management=(Family.IPV4,)), StackMode.IPV6, None, "--management ipv6"),
    ],
)
def test_what_the_lab_lacks_is_said(lab: Lab, stack: StackMode, count: int | None, hint: str) -> None:
    """A cluster that this lab can't carry is refused with the command that helps."""
    with pytest.raises(EnvironmentFault, match=hint):
        cluster_document(lab, _hosts(lab), stack, count=count, cgroup_v1=True)
