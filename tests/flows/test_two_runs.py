"""A delete that meets what a dead create left running: at ten points in time, the hosts are as before the cluster."""

from __future__ import annotations

import os
import signal
import time

import pytest

from cluster.vocabulary.families import StackMode
from lab import hosts
from lab.spec import cluster_document
from tests import lived_in
from tests.conftest import LAB
from tests.flows.conftest import BareHosts
from tests.flows.test_convergence import Grown, engine_of, on

pytestmark = [pytest.mark.lab, pytest.mark.server, pytest.mark.long]


def test_a_delete_takes_over_from_a_killed_create_at_ten_points(bare: BareHosts) -> None:
    """Every 2.5 s of a create, its process is killed and a delete starts at once. Nothing of the create writes any more when the delete has ended."""
    document = cluster_document(hosts.lab_of(LAB), hosts.status(LAB), StackMode.IPV4, cni="none", count=2) | {"name": "fought"}
    cluster = Grown(bare.place, document, document)
    lived_in.live_in(LAB)
    before = bare.look()
    said = []
    for point in range(10):
        run = cluster.start()
        end = time.monotonic() + 120
        while on(1, "cat /var/lib/sixstack/owner 2>/dev/null || true") != "fought":
            assert time.monotonic() < end, bare.place.api(f"/flow_runs/{run}")["state"]
            time.sleep(0.1)
        time.sleep(2.5 * point)
        if (engine := engine_of(run)) is not None:
            os.kill(engine, signal.SIGKILL)
        # a kubeadm init that runs now still runs when the delete comes
        on(1, "systemctl kill --signal=STOP 'sixstack-init-control-plane-*' 2>/dev/null || true")
        deleted = bare.place.sixstack("delete", cluster.file(), "--confirm", "fought")
        assert deleted.returncode == 0, deleted.stdout + deleted.stderr
        said += [line for line in deleted.stdout.splitlines() if "which was still running" in line]
        assert on(1, "systemctl list-units --plain --no-legend 'sixstack-*'; pgrep kubeadm || true") == ""
        assert lived_in.changes(before, bare.look()) == [], f"at point {point}"
    assert said, "no delete met a running step: the points are too late or too early"
    lived_in.move_out(LAB)
