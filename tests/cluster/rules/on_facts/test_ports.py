"""Ports that must be free."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from cluster.facts.host_facts import Socket
from cluster.rules.on_facts import check_facts
from cluster.vocabulary.families import Family

Make = Callable[..., Any]


@pytest.mark.parametrize("port", [6443, 2379, 2380, 10250, 10256, 10257, 10259])
def test_a_port_in_use_is_reported_with_its_program(a_spec: Make, some_facts: Make, port: int) -> None:
    """On any address, even loopback, because kubeadm binds all addresses."""
    held = Socket("tcp", ip_address("::1"), Family.IPV6, port, "nginx")
    (problem,) = check_facts(a_spec(), {"node-1": some_facts(1, sockets=(held,))}, bundle_architecture="amd64", bundle_size=1)
    assert (problem.code, problem.path) == ("port-busy", "hosts/node-1/ports")
    assert f"port {port}/tcp" in problem.message
    assert f"nginx on [::1]:{port}" in problem.message


@pytest.mark.parametrize(
    ("default", "port", "kubeadm"),
    [
        (10250, 11250, {"kubelet": {"port": 11250}}),
        (10250, 11250, {"extra_args": {"kubelet": {"port": "11250"}}}),
        (10256, 11256, {"kube_proxy": {"healthzBindAddress": "0.0.0.0:11256"}}),
        (10257, 11257, {"extra_args": {"controller_manager": {"secure-port": "11257"}}}),
        (10259, 11259, {"extra_args": {"scheduler": {"secure-port": "11259"}}}),
    ],
)
def test_ports_that_the_file_changes_are_the_ones_that_must_be_free(
    a_spec: Make, some_facts: Make, default: int, port: int, kubeadm: dict[str, Any]
) -> None:
    """Not the defaults."""
    spec = a_spec(kubeadm=kubeadm)
    for held, codes in ((port, ["port-busy"]), (default, [])):
        facts = {"node-1": some_facts(1, sockets=(Socket("tcp", None, None, held, "nginx"),))}
        assert [problem.code for problem in check_facts(spec, facts, bundle_architecture="amd64", bundle_size=1)] == codes


def test_a_worker_needs_fewer_ports(a_spec: Make, some_facts: Make) -> None:
    """Port 6443 and the etcd ports can be in use, the kubelet port cannot."""
    sockets = tuple(Socket("tcp", None, None, port, "nginx") for port in (6443, 2379, 10250))
    (problem,) = check_facts(a_spec(), {"node-2": some_facts(2, sockets=sockets)}, bundle_architecture="amd64", bundle_size=1)
    assert "port 10250/tcp" in problem.message


def test_the_vxlan_port_comes_from_the_file(a_spec: Make, some_facts: Make) -> None:
    """UDP 8472 by default, here 4789. TCP ports with the same number do not matter."""
    sockets = (Socket("udp", None, Family.IPV4, 4789, ""), Socket("tcp", None, None, 4789, "nginx"))
    facts = {"node-1": some_facts(1, sockets=sockets)}
    assert check_facts(a_spec(), facts, bundle_architecture="amd64", bundle_size=1) == ()
    (problem,) = check_facts(a_spec(cni={"kind": "flannel", "vxlan_port": 4789}), facts, bundle_architecture="amd64", bundle_size=1)
    assert "port 4789/udp" in problem.message
    assert check_facts(a_spec(cni={"kind": "none"}), facts, bundle_architecture="amd64", bundle_size=1) == ()


def test_calico_needs_felixs_port_too(a_spec: Make, some_facts: Make) -> None:
    """Felix serves its health check there; VXLAN has Calico's default port."""
    sockets = (Socket("tcp", None, None, 9099, "nginx"), Socket("udp", None, None, 4789, ""))
    facts = {"node-1": some_facts(1, sockets=sockets)}
    found = check_facts(a_spec(cni={"kind": "calico"}), facts, bundle_architecture="amd64", bundle_size=1)
    assert sorted(re.findall(r"port (\d+)", " ".join(problem.message for problem in found))) == ["4789", "9099"]
    assert check_facts(a_spec(), facts, bundle_architecture="amd64", bundle_size=1) == ()


def test_the_api_port_comes_from_an_endpoint_on_the_control_plane(a_spec: Make, some_facts: Make) -> None:
    """The port of the endpoint if the endpoint is the host itself, 6443 behind a load balancer."""
    facts = {"node-1": some_facts(1, sockets=(Socket("tcp", None, None, 7443, "nginx"),))}
    own = a_spec(control_plane={"endpoint": "198.18.0.11:7443"})
    assert [problem.code for problem in check_facts(own, facts, bundle_architecture="amd64", bundle_size=1)] == ["port-busy"]
    balanced = a_spec(control_plane={"endpoint": "api.example.org:7443"})
    assert check_facts(balanced, facts, bundle_architecture="amd64", bundle_size=1) == ()
    named = a_spec(control_plane={"endpoint": "api.example.org:7443", "bind_port": 7443})
    assert [problem.code for problem in check_facts(named, facts, bundle_architecture="amd64", bundle_size=1)] == ["port-busy"]


def test_a_foreign_program_on_a_host_of_the_cluster_is_reported(a_spec: Make, some_facts: Make) -> None:
    """On a host of the cluster, only processes of the cluster are ignored."""
    sockets = (Socket("tcp", None, None, 10250, "kubelet"), Socket("tcp", None, None, 10256, "nginx"))
    (problem,) = check_facts(a_spec(), {"node-2": some_facts(2, owner="demo", sockets=sockets)}, bundle_architecture="amd64", bundle_size=1)
    assert "10256" in problem.message
