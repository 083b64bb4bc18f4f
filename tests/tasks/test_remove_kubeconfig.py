"""Which saved kubeconfig is removed when the hosts of a cluster are freed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydantic import SecretStr

from blocks.loading import NoBlock
from blocks.saved_kubeconfig import SavedKubeconfig
from cluster.plan.delete import REMOVE_KUBECONFIG
from cluster.plan.graph import PlannedStep
from runs.attempts import Attempt
from runs.context import SpecContext
from tasks import remove_kubeconfig as module
from tests.cluster.plan.test_create import SPEC

RUN = SpecContext("demo", "id", "default", "default", SPEC)


@pytest.mark.parametrize(
    ("authorities", "saved", "removed"),
    [
        (["sha256:aa"], "sha256:aa", True),
        (["sha256:aa"], "sha256:bb", False),
        (["sha256:aa"], "", True),
        (["sha256:aa"], None, True),
        ([], "sha256:bb", True),
        (None, "sha256:bb", True),
    ],
    ids=["the same", "another cluster", "a block without one", "no block", "a host without one", "delete-cluster"],
)
def test_the_kubeconfig_of_another_cluster_with_the_same_name_is_kept(
    monkeypatch: pytest.MonkeyPatch, authorities: list[str] | None, saved: str | None, removed: bool
) -> None:
    """A test host may have a cluster that another Prefect server, or an earlier run on other machines, gave the name of a living one."""
    deleted: list[str] = []

    def load(_kind: object, name: str) -> SavedKubeconfig:
        if saved is None:
            raise NoBlock(name)
        return SavedKubeconfig(cluster=name, kubeconfig=SecretStr("x"), ca_hash=saved)

    @contextmanager
    def record(planned: PlannedStep, _run: object) -> Iterator[Attempt]:
        yield Attempt(planned.kind, planned.subject)

    monkeypatch.setattr(module, "load", load)
    monkeypatch.setattr(module, "record_step", record)
    monkeypatch.setattr(SavedKubeconfig, "delete", deleted.append)
    planned = PlannedStep(REMOVE_KUBECONFIG, "cluster", "", {} if authorities is None else {"authorities": authorities})
    module.remove_kubeconfig.fn(planned, RUN)
    assert deleted == (["demo"] if removed else [])
