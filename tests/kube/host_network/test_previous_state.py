"""What a Deployment remembers of itself, and the patches that are made of it."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.vocabulary.errors import ClusterError
from kube.client import Document
from kube.host_network.previous_state import (
    ANNOTATION,
    Phase,
    PreviousState,
    current_state,
    decode_state,
    has_host_network,
    host_network_patch,
    is_restored,
    restore_patch,
    save_patch,
    stop_patch,
)


def deployment(annotation: str | None = None, replicas: int | None = 2, **pod: Any) -> Document:
    """A Deployment as the API server gives it."""
    annotations = {"annotations": {ANNOTATION: annotation}} if annotation is not None else {}
    spec: Document = {"template": {"spec": {"containers": [{"name": "main", "ports": [{"containerPort": 80, "protocol": "TCP"}]}], **pod}}}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"metadata": {"namespace": "tke", "name": "api", "resourceVersion": "7", **annotations}, "spec": spec}


def test_what_is_written_is_read_again() -> None:
    """Every field, in every phase."""
    for phase in Phase:
        before = PreviousState(phase, 3, host_network=False, dns_policy="ClusterFirst", host_ports=("main/80/TCP",))
        assert decode_state(deployment(before.encode())) == before
    assert decode_state(deployment()) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"phase": "other"}', '{"phase": "set", "replicas": "many"}'])
def test_an_annotation_that_is_not_ours_to_read_stops_everything(text: str) -> None:
    """The Deployment is named, and what to do."""
    with pytest.raises(ClusterError, match=r"tke/api: annotation .* cannot be decoded"):
        decode_state(deployment(text))


def test_defaults_of_kubernetes_are_remembered_as_such() -> None:
    """One replica, ClusterFirst, no host network."""
    assert current_state(deployment(replicas=None), Phase.SETTING) == PreviousState(
        Phase.SETTING, 1, host_network=False, dns_policy="ClusterFirst"
    )


def test_remembering_and_stopping_are_one_request() -> None:
    """And a conflict when somebody else was faster."""
    before = current_state(deployment(), Phase.SETTING)
    patch = stop_patch(deployment(), before)
    assert patch == {"metadata": {"annotations": {ANNOTATION: before.encode()}, "resourceVersion": "7"}, "spec": {"replicas": 0}}


def test_the_host_network_comes_with_its_dns_policy_and_the_number_of_pods() -> None:
    """Without that policy, pods would ask the node's name servers."""
    before = current_state(deployment(), Phase.SETTING)
    spec = host_network_patch(deployment(), before)["spec"]
    assert spec == {"replicas": 2, "template": {"spec": {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}}}
    assert has_host_network(deployment(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"))
    assert not has_host_network(deployment(hostNetwork=True, dnsPolicy="ClusterFirst"))


def test_everything_goes_back_and_the_memory_with_it() -> None:
    """hostNetwork is taken away where it was not there."""
    before = current_state(deployment(), Phase.UNDOING)
    patch = restore_patch(deployment(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"), before)
    assert patch["metadata"]["annotations"] == {ANNOTATION: None}
    assert patch["spec"] == {"replicas": 2, "template": {"spec": {"hostNetwork": None, "dnsPolicy": "ClusterFirst"}}}
    assert is_restored(deployment(), before)
    assert not is_restored(deployment(hostNetwork=True), before)


def test_host_ports_that_an_older_server_added_go_again_and_no_others() -> None:
    """Lists are whole in a merge patch: other fields of the containers stay as they are now."""
    ports = [{"containerPort": 80, "hostPort": 80}, {"containerPort": 443, "hostPort": 443, "protocol": "TCP"}]
    now = deployment(containers=[{"name": "main", "image": "new", "ports": ports}], hostNetwork=True)
    before = PreviousState(Phase.UNDOING, 2, host_network=False, dns_policy="ClusterFirst", host_ports=("main/443/TCP",))
    (container,) = restore_patch(now, before)["spec"]["template"]["spec"]["containers"]
    assert container == {"name": "main", "image": "new", "ports": [{"containerPort": 80}, ports[1]]}


def test_remembering_alone_touches_nothing_that_runs() -> None:
    """No spec in the patch."""
    before = current_state(deployment(), Phase.SET)
    assert set(save_patch(deployment(), before)) == {"metadata"}
