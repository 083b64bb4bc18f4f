"""Name servers of pods."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from cluster.facts.host_facts import HostFacts
from cluster.rules.on_facts import check_facts
from cluster.vocabulary.families import Address
from cluster.vocabulary.spec import ClusterSpec

Make = Callable[..., Any]


def codes(spec: ClusterSpec, facts: HostFacts) -> list[str]:
    """Codes of the problems of one host."""
    return [problem.code for problem in check_facts(spec, {facts.host: facts}, bundle_architecture="amd64", bundle_size=1)]


def addresses(*texts: str) -> tuple[Address, ...]:
    """Addresses from their text."""
    return tuple(ip_address(text) for text in texts)


@pytest.mark.parametrize(("stack", "servers", "expected"), [
    ("ipv6", ["198.18.0.1"], ["name-server-family"]),
    ("ipv6", ["198.18.0.1", "fd66::1"], []),
    ("ipv6", ["127.0.0.53"], ["name-server-on-loopback"]),
    ("ipv4", ["fd66::1"], ["name-server-family"]),
    ("dual-stack", ["198.18.0.1"], []),
    ("dual-stack", ["fd66::1"], []),
    ("ipv4", ["127.0.0.53"], ["name-server-on-loopback"]),
    ("ipv4", ["127.0.0.1", "198.18.0.1"], ["name-server-partly-unusable"]),
    ("ipv4", [], ["no-name-server"]),
    # link-local with a zone of the host, IPv4-mapped, unspecified, multicast (kubernetes#140844, #71705, coredns#2790)
    ("ipv6", ["fe80::1"], ["name-server-unusable"]),
    ("ipv6", ["fe80::1", "198.18.0.1"], ["name-server-family", "name-server-partly-unusable"]),
    ("ipv6", ["fe80::1", "fd66::1"], ["name-server-partly-unusable"]),
    ("ipv6", ["::ffff:192.0.2.53"], ["name-server-family"]),
    ("ipv4", ["::ffff:192.0.2.53"], []),
    ("ipv4", ["0.0.0.0"], ["name-server-on-loopback"]),
    ("ipv6", ["::"], ["name-server-on-loopback"]),
    ("ipv4", ["::ffff:127.0.0.53"], ["name-server-on-loopback"]),
    ("ipv4", ["224.0.0.251"], ["name-server-unusable"]),
    ("dual-stack", ["255.255.255.255", "9.9.9.9"], ["name-server-partly-unusable"]),
    ("ipv4", ["169.254.169.253"], []),
])  # fmt: skip
def test_pods_can_reach_a_name_server(a_spec: Make, some_facts: Make, stack: str, servers: list[str], expected: list[str]) -> None:
    """One predicate for every kind of address that no pod can reach, and a family that pods have."""
    assert sorted(codes(a_spec(stack=stack), some_facts(1, nameservers=addresses(*servers)))) == expected


def test_dns_upstreams_replace_the_name_servers_of_the_host(a_spec: Make, some_facts: Make) -> None:
    """The name servers of the host then do not matter."""
    network = {**a_spec(stack="ipv6").network.model_dump(mode="json"), "dns_upstreams": ["2001:db8::53"]}
    assert codes(a_spec(stack="ipv6", network=network), some_facts(1, nameservers=addresses("127.0.0.53"))) == []


RESOLVED = "/run/systemd/resolve/resolv.conf"


@pytest.mark.parametrize(
    "kubeadm", [{"kubelet": {"resolvConf": RESOLVED}}, {"extra_args": {"kubelet": {"resolv-conf": RESOLVED}}}], ids=["field", "argument"]
)
def test_the_file_that_the_kubelet_uses_is_judged(a_spec: Make, some_facts: Make, kubeadm: dict[str, Any]) -> None:
    """`resolvConf` of the cluster file instead of /etc/resolv.conf."""
    spec = a_spec(kubeadm=kubeadm)
    good, bad = addresses("9.9.9.9"), addresses("127.0.0.53")
    assert codes(spec, some_facts(1, nameservers=bad, resolver_files={"/etc/resolv.conf": bad, RESOLVED: good})) == []
    facts = some_facts(1, nameservers=good, resolver_files={"/etc/resolv.conf": good, RESOLVED: bad})
    assert codes(spec, facts) == ["name-server-on-loopback"]
    assert codes(spec, some_facts(1, nameservers=good, resolver_files={"/etc/resolv.conf": good})) == ["resolver-file-missing"]


def test_a_file_that_was_not_read_is_reported_instead_of_another_one(a_spec: Make, some_facts: Make) -> None:
    """The name servers of /etc/resolv.conf are then not judged."""
    spec = a_spec(kubeadm={"kubelet": {"resolvConf": "/srv/resolv.conf"}})
    assert codes(spec, some_facts(1, nameservers=addresses("127.0.0.53"))) == ["resolver-file-not-inspected"]
