"""Fixtures of the tests of facts: recorded output of real hosts, and valid specs and facts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any

import pytest

from cluster.facts.host_facts import DefaultRoute, HostFacts, InterfaceAddress, Link
from cluster.file.reader import read_document
from cluster.vocabulary.families import Family
from cluster.vocabulary.spec import ClusterSpec

RECORDED = Path(__file__).parent / "facts" / "recorded"

SpecMaker = Callable[..., ClusterSpec]
FactsMaker = Callable[..., HostFacts]


@pytest.fixture
def recorded() -> Callable[[str], str]:
    """Recorded output of the facts script on a real host in this state (a file of recorded/)."""
    return lambda name: (RECORDED / f"{name}.txt").read_text(encoding="utf-8")


@pytest.fixture
def a_spec() -> SpecMaker:
    """A dual-stack cluster of node-1 (control plane) and node-2 without addresses. Keyword arguments replace top-level fields."""
    return _spec


def _spec(**changes: Any) -> ClusterSpec:
    stack = changes.get("stack", "dual-stack")
    families = {"ipv4": [Family.IPV4], "ipv6": [Family.IPV6]}.get(stack, [Family.IPV4, Family.IPV6])
    pods = {Family.IPV4: {"cidr": "10.244.0.0/16"}, Family.IPV6: {"cidr": "fd44::/56"}}
    services = {Family.IPV4: "10.96.0.0/16", Family.IPV6: "fd44:0:0:ffff::/112"}

    def host(number: int, role: str) -> dict[str, Any]:
        return {"name": f"node-{number}", "role": role, "ssh": {"address": f"198.18.0.1{number}", "host_key": "trust-on-first-use"}}

    document = {
        "name": "demo",
        "stack": stack,
        "hosts": [host(1, "control-plane"), host(2, "worker")],
        "network": {"pods": [pods[family] for family in families], "services": [services[family] for family in families]},
        **changes,
    }
    reading = read_document(document)
    assert reading.spec is not None, reading.problems
    return reading.spec


@pytest.fixture
def some_facts() -> FactsMaker:
    """Facts of a bare machine without problems: node-NUMBER. Keyword arguments replace fields of HostFacts."""
    return _facts


def _facts(number: int = 1, **changes: Any) -> HostFacts:
    link = Link(
        name="eth0",
        mtu=1500,
        mac=f"52:54:00:00:00:0{number}",
        up=True,
        addresses=(
            InterfaceAddress(ip_interface(f"198.18.0.1{number}/24"), "global"),
            InterfaceAddress(ip_interface(f"fd66::1{number}/64"), "global"),
            InterfaceAddress(ip_interface(f"fe80::1{number}/64"), "link"),
        ),
        accept_ra=1,
    )
    fields: dict[str, Any] = {
        "host": f"node-{number}",
        "hostname": f"node-{number}",
        "machine_id": f"{number:032x}",
        "product_uuid": f"00000000-0000-0000-0000-00000000000{number}",
        "os": "Debian GNU/Linux 12 (bookworm)",
        "os_ids": ("debian",),
        "kernel": (6, 1, 0),
        "architecture": "amd64",
        "cpus": 2,
        "memory": 2 * 2**30,
        "swap": (),
        "clock_offset": timedelta(),
        "root": True,
        "links": (link,),
        "default_routes": (
            DefaultRoute(Family.IPV4, "eth0", ip_address("198.18.0.1"), "static"),
            DefaultRoute(Family.IPV6, "eth0", ip_address("fd66::1"), "static"),
        ),
        "nameservers": (ip_address("198.18.0.1"), ip_address("fd66::1")),
        "forwarding": {Family.IPV4: False, Family.IPV6: False},
        "nat": {Family.IPV4: True, Family.IPV6: True},
        "nftables": True,
        "disk_free": 20 * 2**30,
    }
    return HostFacts(**{**fields, **changes})
