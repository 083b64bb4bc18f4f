"""A cluster in the person's own kubeconfig, and a delete with an older file, on real hosts."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import MODES, MadeCluster

pytestmark = [
    pytest.mark.lab,
    pytest.mark.server,
    pytest.mark.parametrize("made", MODES[1:2] or MODES[3:], indirect=True, ids=str),
]
OWN = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [],
    "users": [],
    "contexts": [{"name": "mine", "context": {}}],
    "current-context": "mine",
}


def test_a_merged_context_works_and_a_refused_delete_keeps_it(made: MadeCluster, tmp_path: Path) -> None:
    """kubectl alone reaches the API server with it. A file without the last worker deletes nothing, says which host it lacks, and keeps the context."""
    own = tmp_path / "config"
    own.write_text(yaml.safe_dump(OWN))
    environment = made.place.prefect.environment() | {"KUBECONFIG": str(own)}

    def sixstack(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cli", *words]
        return subprocess.run(command, cwd=made.place.prefect.root, env=environment, capture_output=True, text=True, check=False)

    merged = sixstack("kubeconfig", made.name, "--merge")
    assert merged.returncode == 0, merged.stdout + merged.stderr
    document = yaml.safe_load(own.read_text())
    assert document["current-context"] == "mine"
    assert [entry["name"] for kind in ("clusters", "users") for entry in document[kind]] == [made.name, made.name]
    kubectl = made.place.prefect.state / "bin" / "kubectl"
    nodes = subprocess.run(
        [str(kubectl), "--kubeconfig", str(own), "--context", made.name, "get", "nodes", "-o", "name"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(nodes.stdout.split()) == len(made.document["hosts"]), nodes.stderr

    older = copy.deepcopy(made.document)
    missing = older["hosts"].pop()["name"]
    refused = sixstack("delete", made.place.write("older.yaml", older), "--confirm", made.name)
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert "[unlisted-host]" in refused.stdout
    assert f"--leave-out {missing}" in refused.stdout
    assert sixstack("kubeconfig", made.name).returncode == 0, "the saved kubeconfig is still there"
    assert yaml.safe_load(own.read_text()) == document
    planned = made.place.sixstack("plan", made.file, "--output", "json")
    assert json.loads(planned.stdout)["steps"] == []


def test_ten_calls_of_kubectl(made: MadeCluster) -> None:
    """The benchmark runs with the saved cluster. Its limit holds on a quiet machine, so its figures are printed and not compared."""
    kubectl = str(made.place.prefect.state / "bin" / "kubectl")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kubectl", made.name, "--rounds", os.environ.get("SIXSTACK_ROUNDS", "2")],
        cwd=made.place.prefect.root,
        env=made.place.prefect.environment() | {"SIXSTACK_KUBECTL": kubectl},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert "over kubectl's own time" in done.stdout, done.stderr
