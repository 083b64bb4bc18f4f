"""Fixtures of the tests of offline rules: a valid document, and a check of the document with changes."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cluster.file.reader import read_document
from cluster.vocabulary.problems import Problem

Document = dict[str, Any]
Check = Callable[..., dict[tuple[str, str], Problem]]
# as the value of a change: take the field out
OUT = object()


def good_document(stack: str = "dual-stack", primary: str = "ipv4") -> Document:
    """A valid document: one control plane, two workers, no optional fields."""
    families = {"ipv4": ["ipv4"], "ipv6": ["ipv6"]}.get(stack, ["ipv4", "ipv6"] if primary == "ipv4" else ["ipv6", "ipv4"])
    pods = {"ipv4": "10.244.0.0/16", "ipv6": "fd44::/56"}
    services = {"ipv4": "10.96.0.0/16", "ipv6": "fd44:0:0:ffff::/112"}
    node = {"ipv4": "198.18.0.1{}", "ipv6": "fd66::1{}"}
    return {
        "name": "demo",
        "stack": stack,
        "primary_family": families[0],
        "hosts": [
            {
                "name": f"node-{number}",
                "role": "control-plane" if number == 1 else "worker",
                "ssh": {"address": node[families[0]].format(number), "host_key": "trust-on-first-use"},
                "addresses": [node[family].format(number) for family in families],
            }
            for number in (1, 2, 3)
        ],
        "network": {"pods": [{"cidr": pods[family]} for family in families], "services": [services[family] for family in families]},
    }


def changed(document: Document, changes: Mapping[str, Any]) -> Document:
    """A copy of the document with values set or removed at paths such as `hosts[1].ssh.port`."""
    result = copy.deepcopy(document)
    for path, value in changes.items():
        *parents, last = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]
        holder: Any = result
        for part in parents:
            holder = holder.setdefault(part, {}) if isinstance(holder, dict) else holder[part]
        if value is OUT:
            del holder[last]
        else:
            holder[last] = value
    return result


@pytest.fixture
def good() -> Callable[..., Document]:
    """`good_document`."""
    return good_document


@pytest.fixture
def out() -> object:
    """As the value of a change: remove the field."""
    return OUT


@pytest.fixture
def check() -> Check:
    """Check a valid document with changes. Returns the problems by code and path."""

    def run(changes: Mapping[str, Any] | None = None, stack: str = "dual-stack", primary: str = "ipv4") -> dict[tuple[str, str], Problem]:
        reading = read_document(changed(good_document(stack, primary), changes or {}))
        return {(problem.code, problem.path): problem for problem in reading.problems}

    return run
