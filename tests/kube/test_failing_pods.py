"""The failing pods of a node, on a real API server."""

from __future__ import annotations

import pytest

from cluster.vocabulary.errors import ApiUnavailable
from kube.client import Document, KubeApi
from kube.failing_pods import failing_pods

PODS = "/api/v1/namespaces/default/pods"


def pod(name: str, **state: Document) -> Document:
    """A pod on node `n1`, whose container is in this state."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"nodeName": "n1", "containers": [{"name": "daemon", "image": "cni:v1"}], "terminationGracePeriodSeconds": 0},
        "status": {"containerStatuses": [{"name": "daemon", "image": "cni:v1", "imageID": "", "ready": False, "restartCount": 3, **state}]},
    }


@pytest.mark.bundle
def test_only_failing_pods_are_reported(api: KubeApi) -> None:
    """With kubelet's reason. Starting pods and pods of other nodes are not reported."""
    api.create(
        "/api/v1/namespaces/default/serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    )
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}
    pods = (
        pod("crashing", state={"waiting": waiting}),
        pod("bare", state={"waiting": {"reason": "CreateContainerError"}}, lastState={"terminated": {"exitCode": 2}}),
        pod("starting", state={"waiting": {"reason": "ContainerCreating"}}),
    )
    for document in pods:
        api.create(PODS, document)
        api.merge(f"{PODS}/{document['metadata']['name']}/status", {"status": document["status"]})
    assert sorted(failing_pods(api, "n1")) == [
        "pod default/bare: daemon: CreateContainerError: ended with exit code 2",
        "pod default/crashing: daemon: CrashLoopBackOff: back-off 40s restarting failed container",
    ]
    assert failing_pods(api, "n2") == ()
    for document in pods:
        api.request("DELETE", f"{PODS}/{document['metadata']['name']}", body={"gracePeriodSeconds": 0})


def test_an_unavailable_api_gives_no_error() -> None:
    """The caller reports its own error."""

    class Away:
        def get(self, *_: str, **__: str) -> Document:
            raise ApiUnavailable("away")

    assert failing_pods(Away(), "n1") == ()  # type: ignore[arg-type]
