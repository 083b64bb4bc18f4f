"""Step plan of restore-cluster: check the facts and the copy, ask the etcd that runs what is newer, and make the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cluster.facts.etcd_keys import read_keys
from cluster.facts.host_facts import HostFacts
from cluster.plan.copies import hosts_to_copy
from cluster.plan.delete import delete_problems
from cluster.plan.graph import Plan
from cluster.plan.lost_changes import LostChanges
from cluster.plan.restore import CheckedCopy, LiveKeys, RestoreRefused, comparable, copy_problems, plan_restore
from cluster.plan.values import RestoreSource
from cluster.vocabulary.copies import CopyReason
from cluster.vocabulary.errors import SixstackError
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec
from cluster.vocabulary.topology import topology
from kube.pod_networks import network_digest, network_documents
from runs.attempts import Attempt, record_attempt, step
from runs.context import RunContext
from runs.copies import backup_store_problems
from runs.made_plan import publish_plan
from runs.scripts import SHORT_LIMIT, run_script
from runs.sessions import session
from tasks.plan import check_hosts, probe_connectivity, wanted_files


class RestorePlanning(StepRecord):
    """The record of the step: the plan, the resolved spec, and every object that is newer than the copy."""

    spec: ResolvedSpec | None = None
    plan: Plan | None = None
    lost: LostChanges | None = None  # None: unknown


@step("plan")
def plan_restoration(
    spec: ClusterSpec,
    copy: CheckedCopy,
    source: RestoreSource,
    facts: Mapping[str, HostFacts],
    uninspected: Sequence[Problem],
    run: RunContext,
    *,
    without_copy: bool,
    verify: bool,
) -> tuple[ResolvedSpec, Plan]:
    """Every problem of the hosts, the file and the copy is reported at once, before anything changes."""
    with record_attempt("plan", "cluster", run, RestorePlanning) as attempt:
        checked = check_hosts(spec, facts, uninspected, probe_connectivity(spec, facts, run), run)
        problems = [*checked.errors, *copy_problems(checked.resolved or spec, copy), *delete_problems(spec, facts)]
        if not without_copy and (hosts := hosts_to_copy(spec, facts)):
            problems += backup_store_problems(spec, hosts, CopyReason.RESTORE)
        if problems or checked.resolved is None:
            raise RestoreRefused(problems)
        resolved = checked.resolved
        live = _live_keys(attempt, resolved, facts, copy, run)
        network, wanted = network_digest(network_documents(resolved)), wanted_files(resolved, checked.manifest)
        plan, lost = plan_restore(resolved, facts, wanted, copy, live, source, without_copy=without_copy, network=network, verify=verify)
        attempt.extra |= {"spec": resolved, "plan": plan, "lost": lost}
        attempt.found = f"{len(plan.steps)} steps to do"
        publish_plan(attempt, run, plan, checked.warnings)
    return resolved, plan


def _live_keys(attempt: Attempt, spec: ResolvedSpec, facts: Mapping[str, HostFacts], copy: CheckedCopy, run: RunContext) -> LiveKeys:
    """The keys of the etcd that runs on the control plane. That it does not answer may be why the cluster is restored."""
    if (reason := comparable(spec, facts, copy)) is not None:
        return LiveKeys(reason=reason)
    try:
        opened = session(topology(spec).seed, run)
        printed = run_script(attempt, opened, "host/list-etcd-keys.sh.j2", {"cluster": spec.name}, 2 * SHORT_LIMIT, secret=True)
    except SixstackError as error:
        return LiveKeys(reason=str(error))
    listed = read_keys(printed)
    if listed is None:
        return LiveKeys(reason="etcd on the control plane does not answer")
    return LiveKeys(listed.keys, revision=listed.revision)
