"""Static pods: the output of host/static-pods.sh.j2, and its comparison."""

from __future__ import annotations

import pytest

from cluster.drift.static_pods import read_static_pods, static_pod_differences

POD = """apiVersion: v1
kind: Pod
metadata: {name: etcd, annotations: {a: b}}
spec:
  containers:
  - command: [etcd, --name=a, --data-dir=/var/lib/etcd, --trace]
    image: etcd:3.6
    name: etcd
  volumes:
  - {name: data, hostPath: {path: /var/lib/etcd}}
"""


def output(expected: str = POD, actual: str = POD, other: str = "kind: Pod") -> str:
    """What the script prints."""
    return f"@@ sixstack expected etcd.yaml\n{expected}\n@@ sixstack actual etcd.yaml\n{actual}\n@@ sixstack actual own.yaml\n{other}\n@@ sixstack end\n"


def paths(text: str) -> dict[str, tuple[str, str]]:
    """Expected and actual value by path."""
    return {each.path: (each.expected, each.actual) for each in static_pod_differences("a", read_static_pods(text))}


def test_equal_pods_have_no_differences_and_a_pod_of_the_owner_is_none() -> None:
    """Also in another order of arguments."""
    assert paths(output()) == {}
    assert paths(output(actual=POD.replace("--name=a, --data-dir=/var/lib/etcd", "--data-dir=/var/lib/etcd, --name=a"))) == {}


def test_arguments_images_and_volumes_are_compared_by_name() -> None:
    """One difference each."""
    actual = POD.replace("--trace", "--debug").replace("3.6", "3.5").replace("path: /var/lib/etcd", "path: /srv")
    assert paths(output(actual=actual)) == {
        "hosts/a/static-pods/etcd/argument.debug": ("nothing", '""'),
        "hosts/a/static-pods/etcd/argument.trace": ('""', "nothing"),
        "hosts/a/static-pods/etcd/container.image": ("etcd:3.6", "etcd:3.5"),
        "hosts/a/static-pods/etcd/spec.volumes[data].hostPath.path": ("/var/lib/etcd", "/srv"),
    }


@pytest.mark.parametrize("actual", ["{", "- a", "kind: Pod", "spec: {containers: [{command: [1, 2]}]}"])
def test_a_file_that_is_no_pod_differs(actual: str) -> None:
    """Whatever it has."""
    assert paths(output(actual=actual))


def test_incomplete_output_is_an_error() -> None:
    """The host ended in the middle."""
    with pytest.raises(ValueError, match="incomplete"):
        read_static_pods(output().removesuffix("@@ sixstack end\n"))
