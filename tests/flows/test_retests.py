"""Retests of a saved cluster on real test hosts: refused without the marker, two scheduled nights, one with a fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cluster.vocabulary.families import Family, StackMode
from lab import hosts
from lab.spec import cluster_document
from tests.conftest import LAB, Workplace
from tests.flows.conftest import BareHosts
from tests.flows.schedules import DEPLOYMENT, every_few_seconds
from tests.lab import faults
from tests.lived_in import changes

pytestmark = [pytest.mark.lab, pytest.mark.bundle, pytest.mark.server]

NAME, OTHER = "nightly", "nightly-2"
# in the host that forwards them: IPv6 from and to pods
NO_IPV6_OF_PODS = "ip6 daddr fd44:5a17:e0b4::/56 drop"


@dataclass
class Nightly:
    """A saved cluster of one control plane and one worker, which is retested."""

    bare: BareHosts
    document: dict[str, Any]

    @property
    def place(self) -> Workplace:
        """The folder of the server."""
        return self.bare.place

    def save(self, **changed: Any) -> None:
        """Save the cluster file, with changes."""
        done = self.place.sixstack("save", self.place.write("nightly.yaml", {**self.document, **changed}), "--overwrite")
        assert done.returncode == 0, done.stderr

    def rows(self) -> list[dict[str, Any]]:
        """The history."""
        return [dict(row) for row in json.loads(self.place.sixstack("retests", "--output", "json").stdout)]


@pytest.fixture(scope="module")
def nightly(bare: BareHosts) -> Iterator[Nightly]:
    """The cluster, saved; hosts without markers before and after."""
    document = cluster_document(hosts.lab_of(LAB), hosts.status(LAB), StackMode.DUAL_STACK, Family.IPV4, count=2) | {"name": NAME}
    found = Nightly(bare, {**document, "test_hosts": True})
    before = bare.look()
    found.save()
    yield found
    unmarked = found.place.sixstack("mark-test-hosts", OTHER, "--confirm", OTHER, "--undo")
    assert unmarked.returncode == 0, unmarked.stdout
    assert changes(before, bare.look()) == []


def test_hosts_without_the_marker_are_refused_and_nothing_is_changed(nightly: Nightly) -> None:
    """The file and every machine must say that they are for tests; all that is missing is reported, and remembered in the history."""
    nightly.save(test_hosts=False)
    before = nightly.bare.look()
    done = nightly.place.sixstack("retest", NAME)
    assert done.returncode == 1, done.stdout
    assert "[no-test-hosts]" in done.stdout
    assert done.stdout.count("[test-host-not-marked]") >= 2
    assert changes(before, nightly.bare.look()) == []
    (row,) = nightly.rows()
    assert (row["result"], row["failed_step"], row["kept"]) == ("refused", "free-hosts", False)
    nightly.save()


def test_a_marker_needs_confirmation_and_is_written_once(nightly: Nightly) -> None:
    """Without a terminal the name is an option; a second call changes no host."""
    before = nightly.bare.look()
    assert nightly.place.sixstack("mark-test-hosts", NAME, feed="").returncode == 2
    assert nightly.place.sixstack("mark-test-hosts", NAME, "--confirm", "other").returncode == 2
    assert changes(before, nightly.bare.look()) == []
    for changed in (2, 0):
        done = nightly.place.sixstack("mark-test-hosts", NAME, "--confirm", NAME)
        assert done.returncode == 0, done.stdout
        assert f"{changed} of 2 hosts changed" in done.stdout
    marked = changes(before, nightly.bare.look())
    assert {word for line in marked for word in line.split() if word.startswith("/")} == {"/etc/sixstack", "/etc/sixstack/test-host"}


def test_a_retest_waits_for_another_one_and_says_so(nightly: Nightly) -> None:
    """The run names what it waits for, and fails when it has waited long enough; hosts are not touched."""
    place, slot = nightly.place, "sixstack-cluster-retests"
    _prefect(place, "gcl", "update", slot, "--active-slots", "1")
    try:
        run = place.start(DEPLOYMENT, {"clusters": [NAME], "wait_seconds": 1})
        ended = place.ended(run)
    finally:
        _prefect(place, "gcl", "update", slot, "--active-slots", "0")
    assert ended["state"]["type"] == "FAILED"
    said = [log["message"] for log in place.api("/logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}, "limit": 200})]
    assert [line for line in said if "waiting up to 1 s for another" in line]
    assert run not in {row["flow_run"] for row in nightly.rows()}


def test_two_scheduled_nights_one_with_a_fault(nightly: Nightly) -> None:
    """The scheduler starts both. The second night, of another cluster, deletes what the first one kept, although it is not saved any more; a family is
    dropped, and the step that found it is named. The hosts are as before at the end, with their markers."""
    place, before = nightly.place, nightly.bare.look()
    with every_few_seconds(place, clusters=[NAME], keep_passed=True) as schedule:
        first = schedule.next_run()
        assert place.ended(first, limit=600)["state"]["type"] == "COMPLETED"
    (known,) = (row for row in json.loads(place.sixstack("clusters", "--output", "json").stdout) if row["cluster"] == NAME)
    assert (known["saved"], known["nodes_ready"]) == ("file, kubeconfig", "2/2")
    assert known["last_verify"].startswith("passed")
    nightly.save(name=OTHER)
    _prefect(place, "block", "delete", f"saved-cluster/{NAME}")
    with (
        every_few_seconds(place, clusters=[OTHER]) as schedule,
        faults.firewall(nightly.bare.machine(2), NO_IPV6_OF_PODS, hook="forward"),
    ):
        second = schedule.next_run()
        assert place.ended(second, limit=600)["state"]["type"] == "FAILED"
    good, bad = nightly.rows()[-2:]
    assert (good["cluster"], good["flow_run"], good["result"], good["failed_step"], good["kept"]) == (NAME, first, "passed", "", True)
    assert (bad["cluster"], bad["flow_run"], bad["result"], bad["kept"]) == (OTHER, second, "failed", False)
    assert bad["failed_step"] == "verify-network/cluster"
    assert "IPv6" in bad["error"]
    assert list(bad["phase_flow_runs"]) == ["free-hosts", "create", "verify", "delete"]
    assert good["versions"] == bad["versions"]
    assert good["file"] == nightly.document
    page = place.api("/artifacts/latest/filter", {"artifacts": {"key": {"any_": ["retests-history"]}}})[0]["data"]
    assert second in page
    assert [row["saved"] for row in json.loads(place.sixstack("clusters", "--output", "json").stdout) if row["cluster"] == NAME] == []
    audited = json.loads(place.sixstack("audit", NAME, "--output", "json").stdout)
    assert {"save-copy", "reset-host"} <= {
        record["step"] for record in audited if record["flow_run"] == bad["phase_flow_runs"]["free-hosts"]
    }
    assert [*place.prefect.state.rglob("audit-spool/**/*.json")] == [], "records that no store has"
    assert changes(before, nightly.bare.look()) == []


def _prefect(place: Workplace, *arguments: str) -> None:
    """Run `prefect`; fails the test when it fails."""
    done = place.python("-m", "prefect", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
