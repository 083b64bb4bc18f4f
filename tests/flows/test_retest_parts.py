"""The parts of one retest: all use the file from the beginning of the run, and the first error is the one that is told."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.file.reader import read_document
from cluster.retests.order import Candidate, RetestSettings
from cluster.retests.records import Phase
from cluster.vocabulary.errors import ClusterError, EnvironmentFault
from flows import retest_cluster as module
from flows.retest_cluster import FileChanged, _Retest
from runs import failed_step as failed_step_module
from runs.context import RunContext
from runs.failed_step import failed_step
from runs.given_cluster import GivenCluster
from tests.flows.test_saved_clusters import document

RUN = RunContext("retests", "id", "default", "default")


def file(**changes: Any) -> dict[str, Any]:
    """The fields of a good file, as a retest run keeps them."""
    spec = read_document(document(**changes)).spec
    assert spec is not None
    return spec.model_dump(mode="json", exclude_unset=True)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Phase, Any]]:
    """The parts that began, with their `cluster`; the part `verify` edits the saved file and fails."""
    begun: list[tuple[Phase, Any]] = []
    saved = {"saved": file(test_hosts=True)}

    def run(_self: object, phase: Phase, _flow: object, *, cluster: Any, **_parameters: Any) -> None:
        begun.append((phase, cluster))
        if phase is Phase.VERIFY:
            saved["saved"] = file(test_hosts=True, tkestack_labels=True)
            raise ClusterError("no route")

    monkeypatch.setattr(_Retest, "_run", run)
    monkeypatch.setattr(module, "given_cluster", lambda name: GivenCluster(saved[name]))
    return begun


def test_every_part_gets_the_file_with_which_the_hosts_were_freed(parts: list[tuple[Phase, Any]]) -> None:
    """An edit in the middle must not make `create` or `delete` use machines that are not test hosts."""
    wanted = file(test_hosts=True)
    with pytest.raises(ClusterError, match="no route"):
        _Retest(Candidate("saved", file=wanted), RetestSettings(), RUN).run()
    assert [phase for phase, _ in parts] == list(Phase)
    assert all(cluster == wanted for _, cluster in parts)


def test_a_file_that_was_edited_before_its_turn_is_not_retested(parts: list[tuple[Phase, Any]]) -> None:
    """The order of the clusters is that of the old file's machines; the new one may even have lost `test_hosts`."""
    with pytest.raises(FileChanged, match="saved-cluster-changed"):
        _Retest(Candidate("saved", file=file()), RetestSettings(), RUN).run()
    assert parts == []


@pytest.mark.parametrize("fault", [EnvironmentFault("the server is away"), OSError("no folder"), ConnectionError("of a storage")])
def test_an_audit_store_that_cannot_be_read_does_not_hide_the_error_of_a_retest(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    """The name of the failed step is then unknown."""

    def load(*_: object) -> None:
        raise fault

    monkeypatch.setattr(failed_step_module, "load", load)
    assert failed_step("run", RUN) == ""
