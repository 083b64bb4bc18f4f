"""The plans of a backup and of a restore, and the copies that a cluster file does not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cluster.facts.etcd_keys import KeyRevisions, Keys
from cluster.facts.host_facts import HostFacts
from cluster.kubeadm.documents import cluster_configuration
from cluster.plan.backup import backup_problems, plan_backup
from cluster.plan.graph import Plan
from cluster.plan.restore import CheckedCopy, LiveKeys, comparable, copy_problems, plan_restore
from cluster.plan.values import REVISION_BUMP, RestoreSource
from cluster.vocabulary.copies import EtcdCopy, SavedCopy
from cluster.vocabulary.spec import PodNetwork
from tests.cluster.plan.test_create import CA, FACTS, SPEC, WANTED, bare, member, names

SOURCE = RestoreSource("default", "20261126T020000000000Z.a", "/home/owner/identity.txt")
WITH_DATA = {**FACTS, "a": replace(FACTS["a"], kubernetes=replace(FACTS["a"].kubernetes, etcd_data=True, private_keys=True))}
KEYS = {"minions/a": KeyRevisions(3, 90), "minions/b": KeyRevisions(7, 91), "configmaps/default/x": KeyRevisions(8, 8)}
COPY = CheckedCopy(
    saved=SavedCopy(
        cluster="demo",
        host="a",
        kubernetes_version=SPEC.version,
        flow_run="run",
        created=datetime(2026, 11, 26, 2, tzinfo=UTC),
        etcd=EtcdCopy.SNAPSHOT,
        revision=92,
        size=1,
        sha256="5a" * 32,
        recipient="age1x",
    ),
    file=SPEC,
    kubeadm=cluster_configuration(SPEC),
    authority=CA,
    keys=KEYS,
)


def plan(facts: dict[str, HostFacts], now: Keys | None = KEYS, *, copy: CheckedCopy = COPY, **options: Any) -> Plan:
    """The plan of a restore."""
    return plan_restore(SPEC, facts, WANTED, copy, LiveKeys(now), SOURCE, **options)[0]


def test_a_restore_on_the_same_hosts_replaces_the_control_plane_and_keeps_the_workers() -> None:
    """After the copy of what is there; every later step waits for the restored control plane."""
    made = plan(WITH_DATA)
    assert names(made) == [
        ("save-copy", "a"),
        ("restore-control-plane", "a"),
        ("install-cni", "cluster"),
        ("wait-network", "cluster"),
        ("publish-kubeconfig", "cluster"),
        ("label-node", "a"),
        ("label-node", "b"),
        ("wait-ready", "a"),
        ("wait-ready", "b"),
        ("wait-dns", "cluster"),
        ("verify-network", "cluster"),
    ]
    assert made.steps[0].values["reason"] == "before restore"
    assert made.steps[0].values["kept"] is None
    assert made.steps[1].needs == ("save-copy/a",)
    assert all(step.needs for step in made.steps[2:])


def test_the_values_of_a_restore_are_plain_and_name_the_identity_by_its_path() -> None:
    """etcd's member has the name and the peer URL that kubeadm gives to it, with brackets in IPv6."""
    step = plan(WITH_DATA).step("restore-control-plane", "a")
    assert step is not None
    assert json.loads(json.dumps(step.values)) == step.values
    assert (step.values["copy"], step.values["identity"]) == (SOURCE.copy, SOURCE.identity)
    assert (step.values["host"], step.values["peer"]) == ("a", "https://198.18.0.11:2380")


def test_a_restore_on_new_hosts_prepares_and_joins_them() -> None:
    """There is nothing to save, and no init: the copy has the cluster."""
    made = plan({"a": bare("a"), "b": bare("b")}, None)
    kinds = [kind for kind, _ in names(made)]
    assert "save-copy" not in kinds
    assert "init-control-plane" not in kinds
    assert [name for name in names(made) if name[0] in {"prepare-host", "load-bundle", "restore-control-plane", "join-worker"}] == [
        ("prepare-host", "a"),
        ("prepare-host", "b"),
        ("load-bundle", "a"),
        ("load-bundle", "b"),
        ("restore-control-plane", "a"),
        ("join-worker", "b"),
    ]
    restore = made.step("restore-control-plane", "a")
    assert restore is not None
    assert restore.needs == ("load-bundle/a", "prepare-host/a", "check-preflight/cluster")


def test_nothing_is_changed_before_the_copy_is_stored() -> None:
    """Also not the preparation of another host."""
    facts = {"a": replace(WITH_DATA["a"], prepared="of other settings"), "b": bare("b")}
    made = plan(facts)
    assert {step.id for step in made.steps if step.kind == "prepare-host"} == {"prepare-host/a", "prepare-host/b"}
    assert all("save-copy/a" in step.needs for step in made.steps if step.kind == "prepare-host")


@pytest.mark.parametrize(
    "now",
    [
        {**KEYS, "minions/b": KeyRevisions(50, 91)},  # the host was removed and joined again
        {name: revisions for name, revisions in KEYS.items() if name != "minions/b"},
        None,
    ],
)
def test_a_worker_whose_node_is_another_object_joins_again(now: Keys | None) -> None:
    """Its pods would have addresses of another range than its Node in the copy. Unknown counts as another object."""
    step = plan(WITH_DATA, now).step("join-worker", "b")
    assert step is not None
    assert step.values["recreate"]
    assert "restore-control-plane/a" in step.needs


def test_a_worker_joins_again_when_a_restore_was_in_between() -> None:
    """An interrupted restore leaves the Nodes of the copy, and workers that have not joined again."""
    for revision, again in ((92, False), (92 + REVISION_BUMP - 1, False), (92 + REVISION_BUMP, True)):
        made, _ = plan_restore(SPEC, WITH_DATA, WANTED, COPY, LiveKeys(KEYS, revision=revision), SOURCE)
        assert (made.step("join-worker", "b") is not None) is again
        assert any("restored after this copy" in note for note in made.notes) is again


def test_a_worker_of_another_authority_joins_again() -> None:
    """The cluster was created again under its name, and the copy is of the first one."""
    step = plan(WITH_DATA, copy=replace(COPY, authority="sha256:" + "00" * 32)).step("join-worker", "b")
    assert step is not None
    assert step.values["recreate"]


def test_an_interrupted_restore_is_planned_again() -> None:
    """Whatever the first attempt left on the control plane."""
    half = replace(member("a"), kubernetes=replace(member("a").kubernetes, kubelet_config=False, admin_config=False, etcd_data=True))
    assert plan({**WITH_DATA, "a": half}).step("restore-control-plane", "a") is not None
    assert plan({**WITH_DATA, "a": replace(member("a"), kubernetes=bare("a").kubernetes)}).step("restore-control-plane", "a") is not None


def test_without_a_copy_is_a_note() -> None:
    """The owner asked for it."""
    made = plan(WITH_DATA, without_copy=True)
    assert made.step("save-copy", "a") is None
    assert "without a copy" in made.notes[0]


def test_what_is_newer_is_in_the_plan_and_so_is_why_it_is_unknown() -> None:
    """Before anything is changed."""
    now = {**KEYS, "secrets/default/new": KeyRevisions(99, 99)}
    made, lost = plan_restore(SPEC, WITH_DATA, WANTED, COPY, LiveKeys(now), SOURCE)
    assert lost is not None
    assert lost.created == ("secrets default/new",)
    assert "- created, removed by the restore: secrets default/new" in made.notes
    made, lost = plan_restore(SPEC, WITH_DATA, WANTED, COPY, LiveKeys(reason="etcd does not answer"), SOURCE)
    assert lost is None
    assert made.notes == ("what is newer than the copy is unknown: etcd does not answer",)


def test_a_node_of_the_copy_that_the_file_does_not_have_is_a_note() -> None:
    """Its Node comes back without a machine."""
    copy = replace(COPY, keys={**KEYS, "minions/removed": KeyRevisions(2, 2)})
    assert any("node removed is in the copy" in note for note in plan(WITH_DATA, copy=copy).notes)


def test_only_the_same_cluster_is_compared() -> None:
    """Revisions of another etcd mean nothing here."""
    assert comparable(SPEC, WITH_DATA, COPY) is None
    assert comparable(SPEC, WITH_DATA, replace(COPY, keys=None)) is not None
    assert comparable(SPEC, WITH_DATA, replace(COPY, authority="sha256:" + "00" * 32)) is not None
    assert comparable(SPEC, {"a": bare("a"), "b": bare("b")}, COPY) is not None


def test_a_copy_of_the_cluster_in_the_file_fits() -> None:
    """Also with less in the copy, and with settings that may change."""
    assert copy_problems(SPEC, COPY) == ()
    assert copy_problems(SPEC, replace(COPY, kubeadm={})) == ()
    assert copy_problems(SPEC, replace(COPY, file=SPEC.model_copy(update={"hosts": SPEC.hosts[:1]}))) == ()


@pytest.mark.parametrize(
    ("copy", "codes"),
    [
        (replace(COPY, file=SPEC.model_copy(update={"name": "other"})), ["copy-of-another-cluster"]),
        (replace(COPY, saved=COPY.saved.model_copy(update={"kubernetes_version": "v1.34.1"})), ["copy-of-another-version"]),
        (
            replace(COPY, file=SPEC.model_copy(update={"hosts": tuple(h.model_copy(update={"name": f"{h.name}1"}) for h in SPEC.hosts)})),
            None,
        ),
        (
            replace(
                COPY,
                kubeadm={},
                file=SPEC.model_copy(
                    update={"network": SPEC.network.model_copy(update={"pods": (PodNetwork(cidr="10.99.0.0/16"), SPEC.network.pods[1])})}
                ),
            ),
            ["immutable-field"],
        ),
        (replace(COPY, kubeadm={**COPY.kubeadm, "controlPlaneEndpoint": "198.18.0.99:6443"}), ["immutable-field"]),
    ],
)
def test_a_copy_that_the_file_does_not_fit_is_refused(copy: CheckedCopy, codes: list[str] | None) -> None:
    """Another cluster, another version, other hosts, ranges or addresses."""
    found = [problem.code for problem in copy_problems(SPEC, copy)]
    assert found == codes if codes is not None else set(found) == {"immutable-field"}


def test_a_backup_saves_each_control_plane_and_nothing_else() -> None:
    """A worker has no data of etcd that matters; the oldest copies go as the file has it."""
    facts = {**WITH_DATA, "b": replace(FACTS["b"], kubernetes=replace(FACTS["b"].kubernetes, private_keys=True))}
    made = plan_backup(SPEC.model_copy(update={"backups_kept": 3}), facts)
    assert names(made) == [("save-copy", "a")]
    assert (made.steps[0].values["reason"], made.steps[0].values["kept"], made.steps[0].values["only_last"]) == ("backup", 3, False)


def test_a_backup_of_nothing_is_a_problem() -> None:
    """The control plane has no cluster, or another one; a host that was not inspected is reported as such."""
    assert backup_problems(SPEC, WITH_DATA) == ()
    for other in (bare("a"), replace(WITH_DATA["a"], owner="other")):
        (problem,) = backup_problems(SPEC, {"a": other})
        assert problem.code == "nothing-to-back-up"
    assert backup_problems(SPEC, {}) == ()
