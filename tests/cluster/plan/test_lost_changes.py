"""What a restore loses, from the keys of etcd then and now."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import pytest

from cluster.facts.etcd_keys import KeyList, KeyRevisions, read_keys
from cluster.plan.lost_changes import MOST_LINES, LostChanges, lost_changes


def answer(keys: Mapping[str, tuple[int, int]], revision: int = 9) -> str:
    """As etcdctl prints it."""
    kvs = [
        {"key": base64.b64encode(key.encode()).decode(), "create_revision": created, "mod_revision": modified, "version": 1}
        for key, (created, modified) in keys.items()
    ]
    return json.dumps({"header": {"revision": revision}, "kvs": kvs, "count": len(kvs)})


def test_the_answer_of_etcd_is_read_without_the_prefix() -> None:
    """Keys of other programs are ignored."""
    text = answer({"/registry/configmaps/default/x": (3, 5), "/other/key": (1, 1)})
    assert read_keys(text) == KeyList({"configmaps/default/x": KeyRevisions(3, 5)}, 9)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"kvs": 1}',
        '{"kvs": [{"key": "x"}]}',
        '{"kvs": [1]}',
        '{"kvs": []}',
        '{"kvs": [], "header": {}}',
        "[" * 100_000,
    ],
)
def test_any_other_text_is_no_list_of_keys(text: str) -> None:
    """A host may print anything."""
    assert read_keys(text) is None


def keys(*names: str, modified: int = 5) -> dict[str, KeyRevisions]:
    """Keys that were created at the same time."""
    return {name: KeyRevisions(1, modified) for name in names}


def test_created_changed_and_deleted_objects_are_named_by_resource_and_name() -> None:
    """Services, nodes and resources with a group have other names in etcd."""
    then = keys("configmaps/default/same", "configmaps/default/changed", "secrets/default/deleted", "services/specs/default/web")
    now = {
        **keys("configmaps/default/same", "apps.example/widgets/default/new", "minions/worker-2", "namespaces/new"),
        **keys("configmaps/default/changed", "services/specs/default/web", modified=8),
    }
    assert lost_changes(now, then) == LostChanges(
        created=("namespaces new", "nodes worker-2", "widgets.apps.example default/new"),
        changed=("configmaps default/changed", "services default/web"),
        deleted=("secrets default/deleted",),
    )


def test_what_kubernetes_writes_by_itself_is_not_reported() -> None:
    """Heartbeats, leases, events; a Node that was added is."""
    then = keys("leases/kube-node-lease/a", "minions/a", "pods/default/x", "services/endpoints/default/web", "events/default/x.1")
    now = {
        **keys("leases/kube-node-lease/a", "minions/a", "pods/default/x", "services/endpoints/default/web", modified=9),
        **keys("events/default/x.2", "masterleases/10.0.0.1"),
    }
    assert lost_changes(now, then).lines == ["nothing in the cluster is newer than the copy"]


def test_an_object_that_was_created_again_changed() -> None:
    """It has the same key."""
    then, now = keys("configmaps/default/x"), {"configmaps/default/x": KeyRevisions(7, 7)}
    assert lost_changes(now, then).changed == ("configmaps default/x",)


def test_a_long_report_names_the_first_objects_and_the_number_of_the_others() -> None:
    """All of them are in the record."""
    lines = LostChanges(created=tuple(f"pods default/{number}" for number in range(MOST_LINES + 7))).lines
    assert lines[0] == f"{MOST_LINES + 7} objects were created, 0 changed and 0 deleted after the copy"
    assert len(lines) == MOST_LINES + 2
    assert "7 more" in lines[-1]
