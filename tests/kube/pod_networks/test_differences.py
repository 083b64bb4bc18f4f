"""The pod network in the API against its documents, on a real API server: a plug-in as it was installed has no differences, each change has one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cluster.vocabulary.spec import ClusterSpec
from kube.apply import Resources
from kube.client import KubeApi
from kube.pod_networks import install, network_documents, with_network_differences
from kube.state import read_state
from tests.cluster.pod_networks.specs import calico_spec_of, spec_of

pytestmark = pytest.mark.bundle


@contextmanager
def installed(api: KubeApi, spec: ClusterSpec) -> Iterator[None]:
    """While inside, the plug-in is installed."""
    install(api, spec)
    resources = Resources(api)
    paths = [resources.path(document) for document in network_documents(spec)]
    try:
        yield
    finally:
        for path in reversed(paths):
            api.delete(path)


def differences(api: KubeApi, spec: ClusterSpec) -> list[tuple[str, str]]:
    """Object and field of each difference."""
    found = with_network_differences(api, spec, read_state(api)).network_differences
    return [(each.object, each.field) for each in found]


@pytest.mark.parametrize("plugin", ["flannel", "calico"])
def test_an_installed_plug_in_has_no_differences_until_somebody_changes_it(api: KubeApi, plugin: str) -> None:
    """Defaults of the server are none. Without the plug-in, or with other settings, nothing is compared: the plan installs it in any case."""
    spec = spec_of("dual-stack") if plugin == "flannel" else calico_spec_of("dual-stack")
    other = spec_of("dual-stack", cni={"vxlan_port": 4789}) if plugin == "flannel" else spec_of("dual-stack")
    assert differences(api, spec) == []
    with installed(api, spec):
        assert differences(api, spec) == []
        assert differences(api, other) == []
        role = next(each["metadata"]["name"] for each in network_documents(spec) if each["kind"] == "ClusterRoleBinding")
        api.delete(f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{role}")
        workload = next(each for each in network_documents(spec) if each["kind"] == "DaemonSet")
        path = Resources(api).path(workload)
        name = f"DaemonSet {workload['metadata']['namespace']}/{workload['metadata']['name']}"
        image = api.get(path)["spec"]["template"]["spec"]["containers"][0]
        patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "other:1"}]
        api.request("PATCH", path, body=patch, content_type="application/json-patch+json")
        assert set(differences(api, spec)) == {
            (f"ClusterRoleBinding {role}", ""),
            (name, f"spec.template.spec.containers[{image['name']}].image"),
        }
        assert install(api, spec)
        assert differences(api, spec) == []
