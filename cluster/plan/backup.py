"""The plan of backup-cluster: a copy of each control plane's etcd and PKI."""

from __future__ import annotations

from collections.abc import Mapping

from cluster.facts.host_facts import HostFacts
from cluster.plan.copies import backup_settings, hosts_to_copy
from cluster.plan.delete import SAVE_COPY
from cluster.plan.graph import Plan, PlanBuilder
from cluster.plan.values import copy_values
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec, Host

# docs/reference/problems.md lists it
NOT_BACKED_UP = {"nothing-to-back-up": "No control plane of the cluster is on the hosts of the file."}


def hosts_to_back_up(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> tuple[Host, ...]:
    """Control planes of the cluster with etcd's data or private keys."""
    return tuple(host for host in hosts_to_copy(spec, facts) if host in spec.control_planes)


def plan_backup(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> Plan:
    """One step for each control plane. No step changes a host."""
    plan = PlanBuilder(spec.name)
    for host in hosts_to_back_up(spec, facts):
        plan.add(SAVE_COPY, host.name, reason="a backup was requested", values=copy_values(spec, host, backup_settings(spec)))
    return plan.build()


def backup_problems(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> tuple[Problem, ...]:
    """There is nothing to back up."""
    if len(facts) < len(spec.control_planes) or hosts_to_back_up(spec, facts):
        return ()
    names = ", ".join(host.name for host in spec.control_planes)
    message = f"no control plane of cluster {spec.name} is on {names}"
    return (Problem("nothing-to-back-up", "hosts", message, "Create the cluster first, or correct the file."),)
