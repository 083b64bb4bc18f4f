"""What nothing comes of is named, with the reason."""

from typing import Any

import pytest

from tests.importers.tkestack.samples import changed, dual_stack_cluster, imported, told, worker


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("dockerExtraArgs", {"log-level": "debug"}, "containerd"),
        ("etcd", {"external": {"endpoints": ["https://198.18.0.9:2379"]}}, "etcd"),
        ("clusterCredentialRef", {"name": "cc-1"}, "certificates"),
        ("features", {"hooks": {"PreInstall": "/tmp/hook.sh"}}, "hooks"),
        ("features", {"ha": {"tke": {"vip": "172.22.0.5"}}}, "keepalived"),
        ("features", {"enableMasterSchedule": True}, "taint"),
        ("features", {"enableMetricsServer": True}, "metrics-server"),
        ("properties", {"oversoldRatio": {"cpu": "2"}}, "TKEStack"),
        ("scalingMachines", [{"ip": "172.22.0.9"}], "hosts"),
    ],
)
def test_a_field_that_a_cluster_file_has_not(field: str, value: Any, word: str) -> None:
    """Once, at the field that has the reason, and not for each value below it."""
    said = told(imported(changed(dual_stack_cluster(), **{field: value})))
    found = [text for path, text in said.items() if path.startswith(f"a.json: spec.{field}")]
    assert len(found) == 1
    assert found[0].startswith("not taken over")
    assert word in found[0]


def test_an_unknown_field_gets_the_nearest_name() -> None:
    """A label typo dropped all node labels in silence there."""
    said = told(imported(dual_stack_cluster(lables={"rack": "secret"})))
    assert said["a.json: spec.machines[0].lables"] == "not taken over: : TKEStack's documents have no such field; did you mean labels?"


def test_what_asks_for_nothing_is_no_loss() -> None:
    """false, 0 and empty lists."""
    said = told(imported(changed(dual_stack_cluster(), dockerExtraArgs={}, features={"enableCilium": False, "files": []}, properties={})))
    assert all(text.startswith("taken over") for path, text in said.items() if "Cilium" in path or "files" in path or "docker" in path)


def test_metadata_and_status_are_reported() -> None:
    """What a server adds to documents that were read back from it; values stay out, as kubectl keeps whole documents in an annotation."""
    machine = worker("172.22.0.102", "cls-1")
    machine["metadata"] |= {"uid": "1234", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}}
    machine["status"] = {"phase": "Running", "machineInfo": {"os": "linux"}}
    result = imported(dual_stack_cluster(), machine)
    said = told(result)
    assert {"b.json: metadata.uid", "b.json: metadata.annotations", "b.json: metadata.generateName", "b.json: status"} <= set(said)
    assert not any("hunter2" in str(change) for change in result.changes)
