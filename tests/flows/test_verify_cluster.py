"""verify-cluster through a real Prefect server: of a cluster of ours and of one whose file nobody has, when all is well and when not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab import hosts
from tests.conftest import LAB, MODES, MadeCluster, run_id
from tests.kube.network_check.faults import FAULTS, Cluster, expected_of, lab_api

pytestmark = [pytest.mark.lab, pytest.mark.server, pytest.mark.parametrize("made", MODES[:1], indirect=True, ids=str)]


def page_of(made: MadeCluster, run: str, name: str = "network") -> str:
    """The text of an artifact of a run."""
    found = made.place.api("/artifacts/filter", {"limit": 200, "sort": "CREATED_DESC"})
    return str(next(artifact["data"] for artifact in found if artifact["flow_run_id"] == run and str(artifact["key"]).endswith(f"-{name}")))


def namespaces(made: MadeCluster) -> list[str]:
    """Those that a check has left."""
    names = [found["metadata"]["name"] for found in made.objects("namespaces")["items"]]
    return [name for name in names if name.startswith("sixstack")]


def test_a_cluster_is_verified_against_its_file(made: MadeCluster) -> None:
    """The report on standard output, progress on standard error, a page in the UI, a record in the audit store; nothing stays."""
    outside = str(hosts.lab_of(LAB).network.gateway(made.mode.primary))
    done = made.place.sixstack("verify", made.file, "--outside", outside, "--output", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert (report["ok"], report["findings"]) == (True, [])
    assert {check["kind"] for check in report["checks"]} >= {
        "mtu",
        "reverse-dns",
        "headless",
        "session-affinity",
        "source-address",
        "outside",
    }
    page = page_of(made, run_id(done.stderr))
    assert page.startswith("## 🟢")
    assert "Between nodes over IPv4" in page
    assert "Between nodes over IPv6" in page
    assert page_of(made, run_id(done.stderr), "summary").startswith("The network works")
    table = made.place.sixstack("audit", made.name, "--network")
    assert "session affinity" in table.stdout
    assert namespaces(made) == []


def test_a_cluster_not_made_by_sixstack_is_verified_against_its_api(made: MadeCluster, tmp_path: Path) -> None:
    """Its kubeconfig is saved without a word of it, and its API server is called directly."""
    file = tmp_path / "kubeconfig"
    config = hosts.run_in(str(made.document["hosts"][0]["name"]), ["cat", "/etc/kubernetes/admin.conf"], LAB).stdout
    file.write_text(config, encoding="utf-8")
    saved = made.place.sixstack("kubeconfig", "of-somebody", "--save", str(file))
    assert saved.returncode == 0, saved.stderr
    assert "Kubernetes v1." in saved.stdout
    secrets = [line.split()[-1] for line in config.splitlines() if "-data:" in line]
    assert secrets
    done = made.place.sixstack("verify", "of-somebody")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [secret for secret in secrets if secret in saved.stdout + saved.stderr + done.stdout + done.stderr]
    assert "The network works" in done.stdout
    refused = made.place.sixstack("kubeconfig", made.name, "--save", str(file))
    assert (refused.returncode, made.name in refused.stderr) == (2, True)


def test_a_broken_network_fails_the_run_and_is_named(made: MadeCluster) -> None:
    """Exit code 1, what is broken and where to look, on the terminal and on the page; nothing stays of the check."""
    with lab_api(made) as api:
        cluster = Cluster(api, expected_of(made))
        with FAULTS["overlay dropped"].put(cluster):
            done = made.place.sixstack("verify", made.file)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"pod network over IPv6 at {cluster.names[2]}" in done.stdout
    page = page_of(made, run_id(done.stdout))
    assert page.startswith("## 🔴")
    assert namespaces(made) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobodys"], "nobodys"),
        (["of-nobody", "--namespace", "No_Name", "--outside", "here"], "nothing was checked (2)"),
    ],
)
def test_a_check_that_cannot_run_is_an_error(made: MadeCluster, arguments: list[str], said: str) -> None:
    """A name that nobody saved; parameters that are wrong, all at once."""
    done: Any = made.place.sixstack("verify", *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert said in done.stdout
