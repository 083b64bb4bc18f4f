"""The order of steps, without a host: properties of every graph, the edges of each kind of cluster, and runs in virtual time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.facts.cluster_state import ClusterState
from cluster.file.reader import read_text
from cluster.plan.create import plan_create
from cluster.plan.graph import Plan, PlanBuilder, PlannedStep
from cluster.plan.resolution import resolve_offline
from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.errors import Bug
from cluster.vocabulary.resolved_spec import ResolvedSpec
from tests.cluster.plan.test_create import bare, member, prepared
from tests.cluster.plan.virtual_time import run_in_virtual_time

EXAMPLES = Path(__file__).parents[3] / "deployments" / "examples"
GOLDEN = Path(__file__).parent / "golden"
MODES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))

# Seconds of each step of a new cluster of three hosts on two cores: medians of `make bench` (docs/benchmarks.md). By kind, or by id where
# the seed control plane differs.
MEASURED = {
    "prepare-host": 3.5,
    "prepare-host/node-1": 7.0,
    "load-bundle": 5.5,
    "load-bundle/node-1": 1.9,
    "check-preflight": 0.7,
    "init-control-plane": 9.5,
    "install-cni": 0.3,
    "wait-network": 6.0,
    "publish-kubeconfig": 0.3,
    "join-worker": 2.3,
    "label-node": 0.1,
    "wait-ready": 4.2,
    "wait-dns": 8.4,
    "verify-network": 9.0,
}


def spec_of(mode: str, kind: CniKind = CniKind.FLANNEL) -> ResolvedSpec:
    """The example of a stack mode with three hosts and another pod network."""
    reading = read_text((EXAMPLES / f"{mode}.yaml").read_text(encoding="utf-8"))
    assert reading.spec is not None, reading.problems
    seed, worker, *_ = reading.spec.hosts
    hosts = (seed, worker, worker.model_copy(update={"name": "node-3"}))
    cni = reading.spec.cni.model_copy(update={"kind": kind, "files": ("/network.yaml",)})
    return resolve_offline(reading.spec.model_copy(update={"hosts": hosts, "cni": cni}))


def new_cluster(spec: ResolvedSpec) -> Plan:
    """The plan for bare hosts."""
    return plan_create(spec, {host.name: bare(host.name) for host in spec.hosts}, {}, None)


def edges(plan: Plan) -> str:
    """A line per step: what it needs, and after what it starts."""
    lines = []
    for step in plan.steps:
        lines.append(step.id)
        lines += [f"  needs {each}" for each in step.needs]
        lines += [f"  after {each}" for each in step.after]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("kind", list(CniKind))
def test_the_edges_of_a_new_cluster_are_the_agreed_ones(kind: CniKind) -> None:
    """One text per pod network; the stack mode has no influence on the order. SIXSTACK_WRITE_GOLDEN=1 writes the text after a meant change."""
    found = {edges(new_cluster(spec_of(mode, kind))) for mode in MODES}
    assert len(found) == 1
    golden = GOLDEN / f"new-cluster-{kind}.txt"
    if os.environ.get("SIXSTACK_WRITE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text("".join(found), encoding="utf-8")
    assert found == {golden.read_text(encoding="utf-8")}


def plans() -> Iterator[Plan]:
    """Plans of many situations: each host bare, prepared or missing, the API silent or answering."""
    for mode in MODES:
        for kind in CniKind:
            spec = spec_of(mode, kind)
            names = [host.name for host in spec.hosts]
            for situation in range(3 ** len(names)):
                facts = {}
                for place, name in enumerate(names):
                    which = situation // 3**place % 3
                    if which:
                        facts[name] = bare(name) if which == 1 else prepared(name, spec)
                for state in (None, ClusterState(cni=kind)):
                    for saved in (True, False):
                        yield plan_create(spec, facts, {}, state, kubeconfig_saved=saved)


def test_every_step_comes_after_what_it_waits_for() -> None:
    """No cycle, no missing need, no step twice: Plan refuses them, whatever state the hosts are in."""
    count = sum(1 for _ in plans())
    assert count > 1000


def test_a_plan_with_a_step_twice_or_a_missing_need_is_a_bug() -> None:
    """The check above can fail."""
    step = PlannedStep("label-node", "a", "the node is new", {})
    with pytest.raises(Bug, match="twice"):
        Plan("demo", (step, step))
    with pytest.raises(Bug, match="waits for join-worker/a"):
        Plan("demo", (PlannedStep("label-node", "a", "the node is new", {}, needs=("join-worker/a",)),))
    with pytest.raises(Bug, match="waits for"):
        Plan("demo", (PlannedStep("label-node", "a", "", {}, after=("wait-ready/a",)), PlannedStep("wait-ready", "a", "", {})))


def test_a_step_without_a_reason_is_not_planned_and_no_step_waits_for_it() -> None:
    """The builder returns the ids that later steps wait for."""
    plan = PlanBuilder("demo")
    assert plan.add("label-node", "a", reason=None) == ()
    first = plan.add("join-worker", "a", reason="it is not part of the cluster")
    assert first == ("join-worker/a",)
    plan.add("label-node", "a", reason="the node is new", needs=[*first, *first], after=first)
    assert plan.build().steps[-1].needs == first
    assert plan.build().steps[-1].after == ()


@pytest.mark.parametrize("kind", list(CniKind))
@pytest.mark.parametrize("worker", ["node-2", "node-3"])
def test_a_worker_that_fails_at_any_step_delays_no_other_host(kind: CniKind, worker: str) -> None:
    """The other hosts' steps start when they would have started, and only the failed host's later steps are left out."""
    plan = new_cluster(spec_of("dual-stack", kind))
    healthy = run_in_virtual_time(plan, MEASURED)
    for step in plan.steps_on(worker):
        broken = run_in_virtual_time(plan, MEASURED, {step.id})
        missing = set(healthy.starts) - set(broken.starts)
        assert missing == {each.id for each in plan.steps_on(worker)[plan.steps_on(worker).index(step) + 1 :]} & missing
        assert all(each.startswith(tuple(f"{late.kind}/{worker}" for late in plan.steps_on(worker))) for each in missing)
        others = [each.id for each in plan.steps if each.subject not in {worker, "cluster"}]
        assert {each: broken.starts[each] for each in others} == {each: healthy.starts[each] for each in others}


def test_after_any_failure_the_network_check_runs_when_the_cluster_wide_steps_succeeded() -> None:
    """It covers the hosts that joined; without a pod network, DNS or an API server it is not started."""
    plan = new_cluster(spec_of("dual-stack", CniKind.CALICO))
    (check,) = [step for step in plan.steps if step.kind == "verify-network"]
    for step in plan.steps[:-1]:
        checked = check.id in run_in_virtual_time(plan, MEASURED, {step.id}).starts
        assert checked is (step.subject not in {"cluster", "node-1"} or step.kind in {"label-node", "wait-ready"}), step.id


def test_the_critical_path_of_a_new_cluster_leads_through_init_and_dns() -> None:
    """With measured durations, the workers are ready before CoreDNS is: their steps do not lengthen the run."""
    healthy = run_in_virtual_time(new_cluster(spec_of("dual-stack")), MEASURED)
    path = (
        *("prepare-host/node-1", "check-preflight/cluster", "init-control-plane/node-1"),
        *("install-cni/cluster", "wait-dns/cluster", "verify-network/cluster"),
    )
    assert healthy.critical_path == path
    assert healthy.seconds == pytest.approx(7.0 + 0.7 + 9.5 + 0.3 + 8.4 + 9.0)


@pytest.mark.parametrize("mode", MODES)
def test_no_host_is_initialized_or_joins_after_a_refused_preflight(mode: str) -> None:
    """On a new cluster, and when workers are added to one."""
    spec = spec_of(mode)
    for plan in (
        new_cluster(spec),
        plan_create(spec, {"node-1": member("node-1", spec), "node-2": bare("node-2"), "node-3": bare("node-3")}, {}, None),
    ):
        started = run_in_virtual_time(plan, MEASURED, {"check-preflight/cluster"}).starts
        assert {step.partition("/")[0] for step in started} & {"init-control-plane", "join-worker"} == set()
        assert {"prepare-host/node-3", "load-bundle/node-3"} <= set(started)


def test_a_worker_that_loads_slowly_joins_the_critical_path() -> None:
    """The model can tell: three times the time to load, and the run waits for that worker."""
    slow = {**MEASURED, "load-bundle/node-3": 3 * MEASURED["load-bundle"]}
    assert "join-worker/node-3" in run_in_virtual_time(new_cluster(spec_of("dual-stack")), slow).critical_path


def test_a_plan_prints_what_each_step_waits_for() -> None:
    """Numbers of earlier lines; those in parentheses may have failed."""
    plan = new_cluster(spec_of("ipv4"))
    rows = {f"{row['kind']}/{row['subject']}": row["waits for"] for row in plan.table_rows()}
    assert rows["prepare-host/node-1"] == "-"
    assert rows["check-preflight/cluster"] == "(1-3)"
    assert rows["load-bundle/node-2"] == "2, (4)"
    assert plan.as_text().splitlines()[-1] == f"{len(plan.steps)} steps to do"


def test_the_mermaid_graph_has_every_step_and_edge() -> None:
    """Solid arrows for needs, dotted ones for after; names with markup are escaped."""
    plan = new_cluster(spec_of("ipv4"))
    lines = plan.as_mermaid().splitlines()
    assert lines[0] == "flowchart LR"
    assert sum("-->" in line for line in lines) == sum(len(step.needs) for step in plan.steps)
    assert sum("-.->" in line for line in lines) == sum(len(step.after) for step in plan.steps)
    odd = Plan("demo", (PlannedStep("label-node", 'x"]<b>;#', "", {}),))
    assert '"]<' not in odd.as_mermaid().splitlines()[1][:-2]
