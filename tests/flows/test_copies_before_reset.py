"""Without a place for the copies, no host is changed, whichever flow resets hosts; unless the owner does without copies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyrage
import pytest

from blocks.backup_store import BackupStore
from blocks.loading import NoBlock
from cluster.facts.host_facts import KubernetesState
from cluster.plan.graph import Plan
from cluster.plan.outcome import StepOutcome
from cluster.plan.unlisted import Unlisted
from cluster.vocabulary.errors import ClusterError, EnvironmentFault, SixstackError
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec, CopiesKept
from flows import delete_cluster as delete_module
from flows import free_hosts as free_module
from flows.delete_cluster import delete_cluster
from flows.free_hosts import free_hosts
from runs import conclusion as conclusion_module
from runs import copies as copies_module
from runs.confirmation import NotConfirmed
from runs.context import RunContext
from runs.given_cluster import GivenCluster
from tests.cluster.plan.test_create import SPEC, bare

RECIPIENT = str(pyrage.x25519.Identity.generate().to_public())


@dataclass
class Flows:
    """A control plane with data and a worker, the Backup store block, and the steps that ran."""

    spec: ClusterSpec = SPEC
    block: BackupStore | None = None
    server_fault: bool = False
    ran: list[str] = field(default_factory=list)
    uninspected: tuple[Problem, ...] = ()
    unlisted: tuple[Unlisted, ...] | None = ()

    def load(self, _kind: object, name: str) -> BackupStore:
        """Instead of a Prefect server."""
        if self.server_fault:
            raise EnvironmentFault("the Prefect server cannot be reached")
        if self.block is None:
            raise NoBlock(name)
        return self.block

    def execute(self, plan: Plan, *_: object) -> dict[str, StepOutcome]:
        """Instead of the executor."""
        self.ran += [step.id for step in plan.steps]
        return {step.id: StepOutcome() for step in plan.steps}

    def delete(self, **parameters: Any) -> None:
        """Run delete-cluster."""
        delete_cluster.fn("demo", confirm="demo", **parameters)

    def free(self) -> None:
        """Run free-hosts."""
        free_hosts.fn("demo")


@pytest.fixture
def flows(monkeypatch: pytest.MonkeyPatch) -> Flows:
    """Both flows with stand-ins for Prefect and SSH."""
    found = Flows()
    run = RunContext("demo", "id", "default", "default")
    with_data = KubernetesState(etcd_data=True, private_keys=True, api_manifest=True)
    facts = {
        "a": replace(bare("a"), owner="demo", test_host=True, kubernetes=with_data),
        "b": replace(bare("b"), owner="demo", test_host=True),
    }

    @contextmanager
    def slot(*_: object, file_of: str | None = None) -> Iterator[None]:  # noqa: ARG001 the interface
        yield

    stand_ins: dict[str, Any] = {
        "given_cluster": GivenCluster,
        "run_context": lambda _fields: run,
        "validate": lambda _given, _run: found.spec,
        "cluster_run": slot,
        "inspect_hosts": lambda _hosts, _run: (facts, found.uninspected),
        "find_unlisted_hosts": lambda _facts, _run: found.unlisted,
        "execute": found.execute,
        "report_progress": lambda *_: None,
        "plan_artifact": lambda *_: None,
        "summary_artifact": lambda *_: None,
    }
    for name, stand_in in stand_ins.items():
        for module in (delete_module, free_module, conclusion_module):
            monkeypatch.setattr(module, name, stand_in, raising=False)
    monkeypatch.setattr(copies_module, "load", found.load)
    return found


def test_a_cluster_is_not_deleted_without_a_backup_store(flows: Flows) -> None:
    """Together with all other problems; no step runs."""
    flows.uninspected = (Problem("host-unreachable", "hosts/c", "no answer", ""),)
    with pytest.raises(ClusterError) as refused:
        flows.delete()
    assert "nothing was changed on any host" in str(refused.value)
    assert "[no-backup-store]" in str(refused.value)
    assert "[host-unreachable]" in str(refused.value)
    assert flows.ran == []


def test_a_cluster_is_not_deleted_with_a_file_that_lacks_a_host(flows: Flows, tmp_path: Path) -> None:
    """Unless the host is left out on purpose."""
    flows.block = BackupStore(url=str(tmp_path), recipient=RECIPIENT)
    flows.unlisted = (Unlisted("c", "node Ready"),)
    with pytest.raises(ClusterError) as refused:
        flows.delete()
    assert "[unlisted-host]" in str(refused.value)
    assert flows.ran == []
    flows.delete(leave_out=["c"])
    assert flows.ran


def test_a_cluster_is_deleted_after_its_copy(flows: Flows, tmp_path: Path) -> None:
    """The store works."""
    flows.block = BackupStore(url=str(tmp_path / "backups"), recipient=RECIPIENT)
    flows.delete()
    assert flows.ran[0] == "save-copy/a"
    assert "reset-host/a" in flows.ran


def test_a_store_that_cannot_be_used_is_found_before_any_host_is_changed(flows: Flows, tmp_path: Path) -> None:
    """Its folder is a file, its package is missing."""
    (tmp_path / "file").write_text("")
    for url in (str(tmp_path / "file"), "no-such-protocol://backups"):
        flows.block = BackupStore(url=url, recipient=RECIPIENT)
        with pytest.raises(ClusterError, match="backup-store-unusable"):
            flows.delete()
    assert flows.ran == []


def test_a_server_that_does_not_answer_is_no_missing_block(flows: Flows) -> None:
    """Also for a test cluster, which may be deleted without a block."""
    flows.server_fault = True
    flows.spec = SPEC.model_copy(update={"test_hosts": True})
    for run in (flows.delete, flows.free):
        with pytest.raises(EnvironmentFault):
            run()
    assert flows.ran == []


def test_without_copy_needs_no_store(flows: Flows) -> None:
    """The owner asked for it."""
    flows.delete(without_copy=True)
    assert flows.ran == ["reset-host/b", "reset-host/a", "remove-kubeconfig/cluster"]


@pytest.mark.parametrize("value", ["false", "", 0, 1, None])
def test_without_copy_is_true_or_false(flows: Flows, value: object) -> None:
    """The text `false` of a form would be true. It is reported with a wrong name in `confirm`."""
    with pytest.raises(NotConfirmed) as refused:
        delete_cluster.fn("demo", confirm="other", without_copy=value)  # type: ignore[arg-type]
    assert [problem.path for problem in refused.value.problems] == ["confirm", "without_copy"]
    assert flows.ran == []


@pytest.mark.parametrize(
    ("kept", "block", "result"),
    [
        (None, False, "reset"),
        (None, True, "copied"),
        (CopiesKept.NONE, True, "reset"),
        (CopiesKept.LAST, False, "refused"),
        (CopiesKept.LAST, True, "copied"),
    ],
)
@pytest.mark.parametrize("flow", ["delete", "free"])
def test_a_test_cluster_does_what_its_file_says(
    flows: Flows, tmp_path: Path, flow: str, kept: CopiesKept | None, block: bool, result: str
) -> None:
    """By default a copy where there is a store: a retest needs none."""
    flows.spec = SPEC.model_copy(update={"test_hosts": True, "test_copies": kept})
    flows.block = BackupStore(url=str(tmp_path / "backups"), recipient=RECIPIENT) if block else None
    if result == "refused":
        with pytest.raises(SixstackError, match="no-backup-store"):
            getattr(flows, flow)()
        assert flows.ran == []
        return
    getattr(flows, flow)()
    assert ("save-copy/a" in flows.ran) == (result == "copied")
    assert "reset-host/a" in flows.ran
