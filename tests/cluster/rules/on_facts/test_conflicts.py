"""Hosts in use by another cluster or runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cluster.facts.host_facts import Conflict, HostFacts, KubernetesState, Socket
from cluster.rules.on_facts import check_facts
from cluster.vocabulary.spec import ClusterSpec

OURS = KubernetesState(ca_hash="sha256:aa", kubelet_config=True, admin_config=True, api_manifest=True, endpoint="https://198.18.0.11:6443")
JOINED = KubernetesState(ca_hash="sha256:aa", kubelet_config=True, endpoint="https://198.18.0.11:6443")

Make = Callable[..., Any]


def codes(spec: ClusterSpec, *facts: HostFacts) -> list[tuple[str, str]]:
    """(code, path) of every problem."""
    found = check_facts(spec, {one.host: one for one in facts}, bundle_architecture="amd64", bundle_size=2**30)
    return [(problem.code, problem.path) for problem in found]


def test_bare_hosts_have_no_problem(a_spec: Make, some_facts: Make) -> None:
    """Two suitable machines."""
    assert codes(a_spec(), some_facts(1), some_facts(2)) == []


def test_a_complete_cluster_of_sixstack_has_no_problem(a_spec: Make, some_facts: Make) -> None:
    """Its own components, VXLAN socket, owner file and certificate authority are no conflict."""
    sockets = (
        Socket("tcp", None, None, 6443, "kube-apiserver"),
        Socket("tcp", None, None, 10257, "kube-controller"),
        Socket("tcp", None, None, 10250, "kubelet"),
        Socket("udp", None, None, 8472, ""),
    )
    first = some_facts(1, owner="demo", kubernetes=OURS, sockets=sockets)
    second = some_facts(2, owner="demo", kubernetes=JOINED, sockets=sockets[2:])
    assert codes(a_spec(), first, second) == []


def test_an_incomplete_host_of_sixstack_has_no_problem(a_spec: Make, some_facts: Make) -> None:
    """The plan repairs a control plane after an interrupted init."""
    half = KubernetesState(ca_hash="sha256:aa", admin_config=True)
    assert codes(a_spec(), some_facts(1, owner="demo", kubernetes=half), some_facts(2, owner="demo")) == []


def test_a_host_prepared_for_another_cluster_is_refused(a_spec: Make, some_facts: Make) -> None:
    """The owner file names another cluster."""
    assert codes(a_spec(), some_facts(1), some_facts(2, owner="other")) == [("host-has-another-cluster", "hosts/node-2/cluster")]


def test_a_foreign_cluster_is_reported_once(a_spec: Make, some_facts: Make) -> None:
    """Its ports, kubelet and files give no further problems. The message has its API endpoint."""
    occupied = some_facts(
        2,
        kubernetes=replace(JOINED, endpoint="https://10.0.0.9:6443"),
        sockets=(Socket("tcp", None, None, 10250, "kubelet"),),
        conflicts=(Conflict("package", "kubelet", "deb kubelet 1.31.0"), Conflict("file", "/etc/cni/net.d/10-calico.conflist")),
    )
    (problem,) = check_facts(a_spec(), {"node-2": occupied}, bundle_architecture="amd64", bundle_size=1)
    assert problem.code == "host-has-another-cluster"
    assert "https://10.0.0.9:6443" in problem.message
    assert "/etc/kubernetes/kubelet.conf" in problem.message
    assert "node-2" in problem.hint


@pytest.mark.parametrize("control_plane", [KubernetesState(), replace(OURS, ca_hash="sha256:bb")], ids=["none", "another"])
def test_a_worker_of_an_earlier_cluster_of_the_same_name_is_refused(a_spec: Make, some_facts: Make, control_plane: KubernetesState) -> None:
    """Same name, other certificate authority: the owner must delete the earlier cluster."""
    first = some_facts(1, owner="demo" if control_plane.present else None, kubernetes=control_plane)
    assert codes(a_spec(), first, some_facts(2, owner="demo", kubernetes=JOINED)) == [("host-has-another-cluster", "hosts/node-2/cluster")]


@pytest.mark.parametrize(
    ("conflict", "command"),
    [
        (Conflict("package", "docker-ce", "deb docker-ce 28.0"), "apt-get purge docker-ce"),
        (Conflict("package", "microk8s", "snap microk8s -"), "snap remove microk8s"),
        (Conflict("unit", "kubelet.service", "/lib/systemd/system/kubelet.service"), "systemctl disable --now kubelet.service"),
        (Conflict("binary", "containerd", "/usr/bin/containerd"), "remove /usr/bin/containerd"),
        (Conflict("process", "dockerd", "/opt/docker/dockerd"), "/opt/docker/dockerd"),
    ],
    ids=lambda value: value.kind if isinstance(value, Conflict) else "",
)
def test_a_foreign_runtime_is_reported_with_the_command_that_removes_it(
    a_spec: Make, some_facts: Make, conflict: Conflict, command: str
) -> None:
    """Package, unit, binary or process."""
    facts = {"node-1": some_facts(1, conflicts=(conflict,))}
    (problem,) = check_facts(a_spec(), facts, bundle_architecture="amd64", bundle_size=1)
    assert (problem.code, problem.path) == ("foreign-runtime", "hosts/node-1/foreign")
    assert conflict.name in problem.message
    assert command in problem.hint


def test_leftover_files_are_reported(a_spec: Make, some_facts: Make) -> None:
    """Data of an earlier etcd would make kubeadm fail."""
    left = some_facts(1, conflicts=(Conflict("file", "/var/lib/etcd/member"),))
    assert codes(a_spec(), left) == [("leftovers", "hosts/node-1/leftovers")]
