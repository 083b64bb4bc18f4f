"""The previous state of a Deployment in its annotation, and the patches."""

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
    """A Deployment as in the API server's answer."""
    annotations = {"annotations": {ANNOTATION: annotation}} if annotation is not None else {}
    spec: Document = {"template": {"spec": {"containers": [{"name": "main", "ports": [{"containerPort": 80, "protocol": "TCP"}]}], **pod}}}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"metadata": {"namespace": "tke", "name": "api", "resourceVersion": "7", **annotations}, "spec": spec}


def test_an_encoded_state_is_decoded_without_a_change() -> None:
    """Every field, in every phase."""
    for phase in Phase:
        before = PreviousState(phase, 3, host_network=False, dns_policy="ClusterFirst", host_ports=("main/80/TCP",))
        assert decode_state(deployment(before.encode())) == before
    assert decode_state(deployment()) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"phase": "other"}', '{"phase": "set", "replicas": "many"}'])
def test_a_malformed_annotation_is_an_error(text: str) -> None:
    """The error has the name of the Deployment."""
    with pytest.raises(ClusterError, match=r"tke/api: annotation .* cannot be decoded"):
        decode_state(deployment(text))


def test_defaults_of_kubernetes_are_stored() -> None:
    """One replica, ClusterFirst, no host network."""
    assert current_state(deployment(replicas=None), Phase.SETTING) == PreviousState(
        Phase.SETTING, 1, host_network=False, dns_policy="ClusterFirst"
    )


def test_storing_the_state_and_stopping_are_one_request() -> None:
    """A concurrent change is a conflict."""
    before = current_state(deployment(), Phase.SETTING)
    patch = stop_patch(deployment(), before)
    assert patch == {"metadata": {"annotations": {ANNOTATION: before.encode()}, "resourceVersion": "7"}, "spec": {"replicas": 0}}


def test_the_host_network_comes_with_its_dns_policy_and_the_number_of_pods() -> None:
    """Without this policy, the pods would use the name servers of the node."""
    before = current_state(deployment(), Phase.SETTING)
    spec = host_network_patch(deployment(), before)["spec"]
    assert spec == {"replicas": 2, "template": {"spec": {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}}}
    assert has_host_network(deployment(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"))
    assert not has_host_network(deployment(hostNetwork=True, dnsPolicy="ClusterFirst"))


def test_restore_removes_the_annotation_too() -> None:
    """hostNetwork is removed if it was not set before."""
    before = current_state(deployment(), Phase.UNDOING)
    patch = restore_patch(deployment(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"), before)
    assert patch["metadata"]["annotations"] == {ANNOTATION: None}
    assert patch["spec"] == {"replicas": 2, "template": {"spec": {"hostNetwork": None, "dnsPolicy": "ClusterFirst"}}}
    assert is_restored(deployment(), before)
    assert not is_restored(deployment(hostNetwork=True), before)


def test_only_host_ports_that_an_older_server_added_are_removed() -> None:
    """A merge patch has whole lists, in which other fields of the containers keep their current values."""
    ports = [{"containerPort": 80, "hostPort": 80}, {"containerPort": 443, "hostPort": 443, "protocol": "TCP"}]
    now = deployment(containers=[{"name": "main", "image": "new", "ports": ports}], hostNetwork=True)
    before = PreviousState(Phase.UNDOING, 2, host_network=False, dns_policy="ClusterFirst", host_ports=("main/443/TCP",))
    (container,) = restore_patch(now, before)["spec"]["template"]["spec"]["containers"]
    assert container == {"name": "main", "image": "new", "ports": [{"containerPort": 80}, ports[1]]}


def test_storing_the_state_does_not_change_the_pods() -> None:
    """No spec in the patch."""
    before = current_state(deployment(), Phase.SET)
    assert set(save_patch(deployment(), before)) == {"metadata"}
