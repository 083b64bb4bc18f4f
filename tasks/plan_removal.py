"""Steps find-members and plan-removal: the workers to remove and the plan, or every problem before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cluster.facts.host_facts import HostFacts
from cluster.plan.graph import Plan
from cluster.plan.remove import (
    Members,
    RemovalRefused,
    RemovalSettings,
    control_plane_problems,
    hosts_to_remove,
    is_drained,
    plan_removal,
    removal_problems,
)
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec, Host
from cluster.vocabulary.topology import topology
from kube.denied_nodes import denied_nodes
from kube.drain import drain_problems
from kube.remembered_hosts import remembered_hosts
from kube.state import read_nodes
from runs.attempts import record_attempt, step
from runs.cluster_api import cluster_api
from runs.context import SpecContext
from runs.made_plan import publish_plan


@step("find-members")
def find_members(
    names: Sequence[str], facts: Mapping[str, HostFacts], uninspected: Sequence[Problem], run: SpecContext
) -> tuple[Members, tuple[Host, ...]]:
    """What the API server knows of the cluster's hosts, and the named hosts that have an SSH endpoint. Refuses a name that is no worker.

    `facts` and `uninspected`: of the control planes. An API server is asked only when it is that of the cluster.
    """
    with record_attempt("find-members", "cluster", run) as attempt:
        if unusable := (*uninspected, *control_plane_problems(run.spec, facts)):
            raise RemovalRefused(unusable)
        api = cluster_api(run)
        authority = facts[topology(run.spec).seed.name].kubernetes.ca_hash
        members = Members(read_nodes(api), remembered_hosts(api), denied_nodes(api), authority)
        hosts, problems = hosts_to_remove(run.spec, names, members)
        if problems:
            raise RemovalRefused(problems)
        attempt.found = f"{len(members.nodes)} nodes; to remove: {', '.join(names)}"
    return members, hosts


@step("plan-removal")
def plan_workers_removal(
    spec: ClusterSpec,
    names: Sequence[str],
    members: Members,
    facts: Mapping[str, HostFacts],
    uninspected: Sequence[Problem],
    settings: RemovalSettings,
    run: SpecContext,
) -> Plan:
    """The plan; RemovalRefused has every problem of every host. `spec` also has hosts that the file does not list, and `run` has the file."""
    with record_attempt("plan-removal", "cluster", run) as attempt:
        problems = [*removal_problems(spec, names, members, facts, settings, uninspected)]
        if not (settings.force or settings.dead):
            api = cluster_api(run)
            problems += [problem for name in names if is_drained(spec, name, members, facts) for problem in drain_problems(api, name)]
        if problems:
            raise RemovalRefused(problems)
        listed = [host.name for host in run.spec.hosts]
        plan = plan_removal(spec, names, members, facts, settings, listed, uninspected)
        attempt.found = f"{len(plan.steps)} steps to do"
        publish_plan(attempt, run, plan)
    return plan
