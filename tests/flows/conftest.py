"""Bare hosts of the tests' lab, their cluster file, and what they look like before and after."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from cluster.vocabulary.families import Family, StackMode
from lab import hosts
from lab.base import OPS_USER
from lab.host import Machine
from lab.spec import cluster_document
from tests import lived_in
from tests.conftest import LAB, Workplace, say
from tests.lived_in import changes


def on(host: str, script: str) -> str:
    """Run a script as root on a host; what it printed."""
    done = hosts.run_in(host, ["sh", "-ec", script], LAB, limit=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass
class BareHosts:
    """Three machines that no cluster has, and a dual-stack cluster file that names them."""

    place: Workplace

    @property
    def document(self) -> dict[str, Any]:
        """A copy of the cluster file, to change."""
        return copy.deepcopy(cluster_document(hosts.lab_of(LAB), hosts.status(LAB), StackMode.DUAL_STACK, Family.IPV4))

    def machine(self, number: int) -> Machine:
        """Host `number`, from 1."""
        return hosts.machine_of(f"{LAB}-{number}", LAB)

    def look(self) -> dict[str, list[str]]:
        """What every host is like: files, links, addresses, routes, packet filter, units, mounts, kernel settings."""
        return lived_in.look(LAB)

    def refused(self, document: dict[str, Any], *arguments: str) -> str:
        """Run `sixstack ARGUMENTS FILE` (default: plan), which must exit with 1 and change nothing on any host; what it printed."""
        before = self.look()
        done: subprocess.CompletedProcess[str] = self.place.sixstack(*(arguments or ("plan",)), self.place.write("refused.yaml", document))
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert changes(before, self.look()) == []
        return done.stdout + done.stderr

    def ops(self, document: dict[str, Any], number: int, credential: str) -> None:
        """Let host `number` be reached as the user whose sudo asks for a password."""
        document["hosts"][number - 1]["ssh"] |= {"user": OPS_USER, "credential": credential}


@pytest.fixture(scope="session")
def bare(workplace: Workplace) -> BareHosts:
    """Hosts that were booted from new and never had anything on them."""
    families: Sequence[Family] = (Family.IPV4, Family.IPV6)
    hosts.up(LAB, hosts=3, families=families, management=families, report=say)
    return BareHosts(workplace)
