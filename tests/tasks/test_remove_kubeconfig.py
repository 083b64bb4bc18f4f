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
from cluster.vocabulary.host_keys import endpoint_name
from cluster.vocabulary.spec import SSH, Endpoint
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
    ],
    ids=["the same", "another cluster", "a block without one", "no block", "a host without one"],
)
def test_the_kubeconfig_of_another_cluster_with_the_same_name_is_kept(
    monkeypatch: pytest.MonkeyPatch, authorities: list[str], saved: str | None, removed: bool
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
    planned = PlannedStep(REMOVE_KUBECONFIG, "cluster", "", {"authorities": authorities})
    module.remove_kubeconfig.fn(planned, RUN)
    assert deleted == (["demo"] if removed else [])


OURS = SSH(address="fd66::11", jump=Endpoint(address="192.0.2.1"))


@pytest.mark.parametrize(
    ("ssh", "kept"),
    [
        (OURS, False),
        (SSH(address="fd66:0::11", user="other", jump=Endpoint(address="192.0.2.1")), False),
        (SSH(address="fd66::12", jump=Endpoint(address="192.0.2.1")), True),
        (SSH(address="fd66::11"), True),
        (None, True),
    ],
    ids=["its control plane", "in another spelling", "another machine", "without the jump host", "a kubeconfig of another tool"],
)
def test_a_deletion_that_finds_no_cluster_keeps_the_kubeconfig_of_other_machines(ssh: SSH | None, kept: bool) -> None:
    """The file may name wrong hosts, and the cluster lives elsewhere. After a deletion that was killed, the hosts have no authority any more."""
    values = {"authorities": [], "endpoints": [endpoint_name(OURS, OURS.jump)]}
    saved = SavedKubeconfig(cluster="demo", kubeconfig=SecretStr("x"), ca_hash="sha256:aa", ssh=ssh)
    assert module.is_of_another_cluster(values, saved) is kept
    assert module.is_of_another_cluster({**values, "authorities": ["sha256:bb"]}, saved)
    assert not module.is_of_another_cluster({**values, "authorities": ["sha256:aa"]}, saved)
