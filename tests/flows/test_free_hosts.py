"""Freeing hosts while other runs use their clusters: one slot at a time, and nothing on the word of facts from before a wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from cluster.facts.host_facts import HostFacts
from cluster.plan.graph import Plan
from cluster.plan.outcome import StepOutcome
from cluster.vocabulary.errors import ClusterError
from flows import free_hosts as module
from flows.free_hosts import NotFreed, free_hosts
from runs.context import RunContext, SpecContext
from runs.given_cluster import GivenCluster
from tests.cluster.plan.test_create import SPEC, bare

MARKED = SPEC.model_copy(update={"test_hosts": True})


@dataclass
class Machines:
    """Two machines, the slots that are held, and what happened."""

    facts: dict[str, HostFacts]
    meanwhile: dict[str, Callable[[], None]] = field(default_factory=dict)  # what others do while the run waits for a cluster's slot
    held: list[str] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)

    def become(self, host: str, **changes: Any) -> None:
        """Change the facts of a machine."""
        self.facts[host] = replace(self.facts[host], **changes)

    @contextmanager
    def slot(self, run: RunContext, _wait_seconds: float, *, file_of: str) -> Iterator[None]:
        """Instead of cluster_run."""
        self.happened.append(f"slot of {run.cluster}")
        assert file_of == "demo", "recorded host keys are those of the file's cluster"
        assert not self.held, f"holds {self.held} while it waits for {run.cluster}"
        self.meanwhile.get(run.cluster, lambda: None)()
        self.held.append(run.cluster)
        try:
            yield
        finally:
            self.held.remove(run.cluster)

    def reset(self, plan: Plan, _tasks: object, run: SpecContext) -> dict[str, StepOutcome]:
        """Instead of execute."""
        for host in run.spec.hosts:
            assert self.held == [self.facts[host.name].owner]
            self.happened.append(f"{host.name} freed from {run.cluster}")
            self.become(host.name, owner=None)
        return {step.id: StepOutcome() for step in plan.steps}


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Machines:
    """Two marked test hosts: the first belongs to `demo`, which is to be retested, the second to `other`."""
    found = Machines({"a": replace(bare("a"), test_host=True, owner="demo"), "b": replace(bare("b"), test_host=True, owner="other")})
    run = RunContext("demo", "id", "default", "default")
    for name, stand_in in {
        "given_cluster": GivenCluster,
        "run_context": lambda _fields: run,
        "validate": lambda _given, _run: MARKED,
        "cluster_run": found.slot,
        "inspect_hosts": lambda _hosts, _run: (dict(found.facts), ()),
        "execute": found.reset,
        "report_progress": lambda _run, _line: None,
    }.items():
        monkeypatch.setattr(module, name, stand_in)
    return found


def test_a_run_never_waits_for_one_cluster_while_it_holds_another(machines: Machines) -> None:
    """Two retests on different machines, each with a machine of the other's cluster, would wait for each other."""
    free_hosts.fn("demo")
    assert machines.happened == ["slot of demo", "a freed from demo", "slot of other", "b freed from other"]


def test_a_marker_that_was_removed_while_the_run_waited_is_respected(machines: Machines) -> None:
    """The owner of the machine took it back before another run on its cluster ended. The error says what was freed before."""
    machines.meanwhile["other"] = lambda: machines.become("b", test_host=False)
    with pytest.raises(ClusterError, match=r"except a(.|\n)*test-host-not-marked"):
        free_hosts.fn("demo")
    assert machines.facts["b"].owner == "other"


def test_a_cluster_that_was_deleted_while_the_run_waited_is_not_deleted_again(machines: Machines) -> None:
    """Another cluster may have the machine by then."""
    machines.meanwhile["other"] = lambda: machines.become("b", owner="third")
    free_hosts.fn("demo")
    assert machines.facts["b"].owner == "third"


def test_nothing_is_changed_when_one_machine_may_not_be_used(machines: Machines) -> None:
    """Also not on the machine of the cluster itself, whose turn is first."""
    machines.become("b", test_host=False)
    with pytest.raises(NotFreed):
        free_hosts.fn("demo")
    assert machines.happened == ["slot of demo"]
