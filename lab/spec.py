"""A cluster file for the hosts of a lab."""

from __future__ import annotations

from typing import Any

import yaml

from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.families import Family, StackMode, families_of
from lab import cgroup
from lab.state import Lab, LabHost

# One range for each family, different from the ranges of all labs (lab.network).
_PODS: dict[Family, dict[str, Any]] = {
    Family.IPV4: {"cidr": "10.244.0.0/16", "node_mask": 24},
    Family.IPV6: {"cidr": "fd44:5a17:e0b4::/56", "node_mask": 64},
}
_SERVICES = {Family.IPV4: "10.96.0.0/16", Family.IPV6: "fd44:5a17:e0b4:ff00::/112"}
_BUNDLE_BLOCK = "lab"


def cluster_document(
    lab: Lab,
    hosts: tuple[LabHost, ...],
    stack: StackMode,
    primary: Family = Family.IPV4,
    *,
    cni: str = "flannel",
    count: int | None = None,
    ssh: Family | None = None,
    cgroup_v1: bool | None = None,
) -> dict[str, Any]:
    """The cluster file (as data) for `count` hosts (default: all). The first host is the control plane, the others are workers.

    SSH uses the family `ssh`, by default the first family that both the machine and the hosts have. The cluster may use another family.
    EnvironmentFault when the lab has too few hosts, or lacks a family that `stack` or `ssh` needs.
    """
    families = families_of(stack, primary)
    command = f"run `sixstack lab up --lab {lab.name}"
    if missing := [family for family in families if family not in lab.families]:
        raise EnvironmentFault(f"the hosts of lab {lab.name} have no {' and no '.join(missing)} address: {command} --families ipv4,ipv6`")
    if count is not None and not 1 <= count <= len(hosts):
        raise EnvironmentFault(f"lab {lab.name} has {len(hosts)} hosts, not {count}: {command} --hosts {count}`")
    reach = next((family for family in lab.management if family in lab.families and ssh in {None, family}), None)
    if reach is None:
        theirs = ssh or ",".join(lab.families)
        raise EnvironmentFault(
            f"SSH over {theirs} is not possible: this machine has {','.join(lab.management)} on the lab's bridge, the hosts have {','.join(lab.families)}: "
            f"{command} --management {theirs}`"
        )
    v1 = cgroup_v1 if cgroup_v1 is not None else not cgroup.of_this_machine().v2
    return {
        "name": lab.name,
        "stack": str(stack),
        "primary_family": str(families[0]),
        "hosts": [_host(lab, host, families, reach) for host in hosts[:count]],
        "network": {"pods": [_PODS[family] for family in families], "services": [_SERVICES[family] for family in families]},
        "cni": {"kind": cni},
        "bundle": _BUNDLE_BLOCK,
        "kubeadm": _kubeadm(v1),
    }


def _host(lab: Lab, host: LabHost, families: tuple[Family, ...], reach: Family) -> dict[str, Any]:
    return {
        "name": host.name,
        "role": "control-plane" if host.number == 1 else "worker",
        "ssh": {
            "address": str(host.address(reach)),
            "port": 22,
            "user": "root",
            "credential": f"lab-{lab.name}",
            "host_key": host.host_key,
        },
        "addresses": [str(host.address(family)) for family in families],
    }


def _kubeadm(cgroup_v1: bool) -> dict[str, Any]:
    """Settings for hosts that share the machine's kernel. None of them is a default of the product.

    The size of the conntrack table is a sysctl of the machine. On cgroup v1, kubelet 1.35 and newer need `failCgroupV1: false`, and kubeadm's
    kernel check fails. The hosts also share the machine's disk: with kubelet's defaults, a disk that is 85 % full loses images and pods of the lab.
    """
    disk = {"imageGCHighThresholdPercent": 100, "evictionHard": {f"{signal}.available": "1%" for signal in ("nodefs", "imagefs")}}
    return {
        "ignore_preflight": ["SystemVerification"],
        "kubelet": disk | ({"cgroupDriver": "cgroupfs", "failCgroupV1": False} if cgroup_v1 else {}),
        "kube_proxy": {
            "mode": "nftables",
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        },
    }


def cluster_file(document: dict[str, Any]) -> str:
    """The cluster file as YAML."""
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=200))
