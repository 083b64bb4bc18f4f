"""The plan of delete-cluster: etcd's data and PKI are copied, every host of the cluster is reset, then its saved kubeconfig is removed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cluster.facts.host_facts import HostFacts
from cluster.plan.copies import CopySettings, hosts_to_copy
from cluster.plan.graph import Plan, PlanBuilder
from cluster.plan.values import copy_values, reset_values
from cluster.vocabulary.host_keys import endpoint_name
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec, Host

SAVE_COPY = "save-copy"
RESET_HOST = "reset-host"
REMOVE_KUBECONFIG = "remove-kubeconfig"


def plan_delete(spec: ClusterSpec, facts: Mapping[str, HostFacts], copies: CopySettings | None, unlisted: Iterable[str] = ()) -> Plan:
    """The steps of delete-cluster; hosts of other clusters are noted and left alone. `copies`: None removes the data without a copy.

    `unlisted`: notes on hosts that the file does not list.

    No host is reset before all copies are stored. Otherwise hosts do not wait for each other: a reset needs no API server, and a control plane
    that does not answer must not delay the workers.
    """
    plan = PlanBuilder(spec.name)
    notes = list(unlisted)
    resets: list[str] = []
    copied = _add_copies(plan, notes, spec, facts, copies)
    for host in (*spec.workers, *spec.control_planes):
        if (note := _left_alone(spec, host, facts.get(host.name))) is not None:
            notes.append(note)
            continue
        resets += _add_reset(plan, spec, host, facts[host.name], copied)
    plan.add(
        REMOVE_KUBECONFIG, reason="the kubeconfig of a deleted cluster cannot be used", values=_kubeconfig_values(spec, facts), needs=resets
    )
    return plan.build(notes)


def plan_free(spec: ClusterSpec, facts: Mapping[str, HostFacts], copies: CopySettings | None) -> Plan:
    """The steps that remove a cluster from these hosts, which may be some of its hosts: `spec` has its name and only them.

    The kubeconfig stays when the control plane is not among them, or when it is of another cluster with this name.
    """
    plan = PlanBuilder(spec.name)
    notes: list[str] = []
    resets: list[str] = []
    copied = _add_copies(plan, notes, spec, facts, copies)
    for host in spec.hosts:
        resets += _add_reset(plan, spec, host, facts[host.name], copied)
    with_api = [facts[host.name].kubernetes for host in spec.hosts if facts[host.name].kubernetes.api_manifest]
    reason = "the control plane of the cluster is reset" if with_api else None
    values = {"authorities": [state.ca_hash for state in with_api if state.ca_hash]}
    plan.add(REMOVE_KUBECONFIG, reason=reason, values=values, needs=resets)
    return plan.build(notes)


def _kubeconfig_values(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> dict[str, list[str]]:
    """What identifies the saved kubeconfig of this cluster, as another cluster may have the same name: the authority that the hosts have.

    Hosts that were reset before have no authority. The SSH endpoint of the control plane then identifies the kubeconfig.
    """
    authorities = {found.kubernetes.ca_hash for found in facts.values() if found.owner == spec.name and found.kubernetes.ca_hash}
    return {"authorities": sorted(authorities), "endpoints": [endpoint_name(host.ssh, host.ssh.jump) for host in spec.control_planes]}


def _add_copies(
    plan: PlanBuilder, notes: list[str], spec: ClusterSpec, facts: Mapping[str, HostFacts], copies: CopySettings | None
) -> list[str]:
    saved: list[str] = []
    for host in hosts_to_copy(spec, facts):
        if copies is None:
            notes.append(f"etcd's data and PKI of {host.name} are removed without a copy")
        else:
            reason = f"{host.name} has etcd's data or private keys of cluster {spec.name}"
            saved += plan.add(SAVE_COPY, host.name, reason=reason, values=copy_values(spec, host, copies))
    return saved


def _add_reset(plan: PlanBuilder, spec: ClusterSpec, host: Host, facts: HostFacts, copied: list[str]) -> tuple[str, ...]:
    reason = f"{host.name} belongs to cluster {spec.name}"
    if running := [step.name for step in facts.steps if step.running and step.name != RESET_HOST]:
        reason += f"; {', '.join(running)} of an earlier run is still running there and is stopped first"
    return plan.add(RESET_HOST, host.name, reason=reason, values=reset_values(spec, host), needs=copied)


def owned_part(spec: ClusterSpec, owner: str, facts: Mapping[str, HostFacts]) -> ClusterSpec:
    """A spec of cluster `owner`: those hosts of `spec` that belong to it."""
    hosts = tuple(host for host in spec.hosts if host.name in facts and facts[host.name].owner == owner)
    return spec.model_copy(update={"name": owner, "hosts": hosts})


def delete_problems(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> tuple[Problem, ...]:
    """Hosts of this cluster that must not be reset, because they now belong to another cluster."""
    return tuple(
        Problem(
            "host-has-another-authority",
            f"hosts/{host.name}",
            f"/etc/kubernetes/pki/ca.crt on {host.name} is not the certificate authority that cluster {spec.name} put there",
            "If another cluster runs on this host now, remove the host from the file. If you replaced the certificate authority yourself, "
            f"remove /var/lib/sixstack/authority on {host.name}. Then delete again.",
        )
        for host in spec.hosts
        if host.name in facts and facts[host.name].owner == spec.name and facts[host.name].foreign_authority
    )


def _left_alone(spec: ClusterSpec, host: Host, facts: HostFacts | None) -> str | None:
    """Why a host is not reset."""
    if facts is None:
        return f"{host.name} was not reached: nothing is removed from it"
    if facts.owner is None:
        return f"{host.name} has nothing of cluster {spec.name}"
    if facts.owner != spec.name:
        return f"{host.name} belongs to cluster {facts.owner} and is left alone"
    return None
