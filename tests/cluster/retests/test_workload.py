"""The workload of a retest with a restore: every change after the backup is found when the restore does not undo it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from cluster.retests.workload import CODE, NAMESPACE, RestoreDiffers, require_same, state_of, workload

NODE = {
    "metadata": {"name": "a", "uid": "n-1"},
    "spec": {"podCIDRs": ["10.244.0.0/24", "fd44::/64"]},
    "status": {"addresses": [{"type": "Hostname", "address": "a"}, {"type": "InternalIP", "address": "fd66::1"}]},
}
CONFIG_MAPS = [
    {"metadata": {"name": "changed", "uid": "c-1"}, "data": {"key": "before"}},
    {"metadata": {"name": "kube-root-ca.crt", "uid": "c-2"}, "data": {"ca.crt": "long"}},
]
OBJECTS = {
    "deployments/x/workload": {"metadata": {"uid": "d-1"}, "spec": {"replicas": 2}},
    "services/x/workload": {"metadata": {"uid": "s-1"}, "spec": {"clusterIPs": ["10.96.0.9", "fd96::9"]}},
}
Change = Callable[[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]], object]


def state(change: Change = lambda *_: None) -> dict[str, Any]:
    """The state of a cluster with a change, as a flow passes it to another one."""
    objects, nodes, config_maps = copy.deepcopy((OBJECTS, [NODE], CONFIG_MAPS))
    change(objects, nodes, config_maps)
    return dict(json.loads(json.dumps(state_of(objects, nodes, config_maps))))


def test_the_same_state_is_accepted() -> None:
    """Also after its way through the parameters of a flow. The authority of a namespace is not part of it."""
    require_same(state(), state(lambda _objects, _nodes, config_maps: config_maps.pop()))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda objects, *_: objects["deployments/x/workload"]["metadata"].update(uid="d-2"), "uid of deployments/x/workload"),
        (lambda objects, *_: objects["deployments/x/workload"]["spec"].update(replicas=1), "replicas of deployments/x/workload"),
        (lambda objects, *_: objects["services/x/workload"]["spec"].update(clusterIPs=["10.96.0.9"]), "addresses of services/x/workload"),
        (lambda objects, *_: objects.pop("services/x/workload"), "uid of services/x/workload"),
        (lambda _, nodes, __: nodes[0]["metadata"].update(uid="n-2"), "uid of nodes/a"),
        (lambda _, nodes, __: nodes[0]["spec"].update(podCIDRs=["10.244.1.0/24"]), "pod ranges of nodes/a"),
        (lambda _, nodes, __: nodes[0]["status"]["addresses"].pop(), "addresses of nodes/a"),
        (lambda _, nodes, __: nodes.append({"metadata": {"name": "b", "uid": "n-3"}, "spec": {}}), "uid of nodes/b"),
        (lambda _, __, config_maps: config_maps[0]["data"].update(key="after"), "content of configmaps/changed"),
        (lambda _, __, config_maps: config_maps.pop(0), "content of configmaps/changed"),
        (lambda _, __, config_maps: config_maps.append({"metadata": {"name": "new", "uid": "c-3"}}), "uid of configmaps/new"),
    ],
)
def test_every_difference_is_found(change: Change, path: str) -> None:
    """With its code and both values."""
    with pytest.raises(RestoreDiffers) as raised:
        require_same(state(), state(change))
    assert f"- {path}: " in str(raised.value)
    assert f"[{CODE}]" in str(raised.value)


def test_all_differences_are_in_one_message() -> None:
    """Not only the first."""
    with pytest.raises(RestoreDiffers) as raised:
        require_same(state(), {})
    assert str(raised.value).count(f"[{CODE}]") == len(state())


def test_every_object_is_in_one_namespace_which_is_created_first() -> None:
    """One deletion removes all of them."""
    namespace, *others = workload("agnhost")
    assert (namespace["kind"], namespace["metadata"]["name"]) == ("Namespace", NAMESPACE)
    assert {item["metadata"]["namespace"] for item in others} == {NAMESPACE}
