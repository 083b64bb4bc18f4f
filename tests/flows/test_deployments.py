"""The deployments as registered: entrypoints, forms, concurrency."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from prefect.flows import Flow

from cluster.file.reader import read_text
from tests.conftest import Workplace
from tests.flows.test_convergence import engine_of

FILE = Path(__file__).parents[2] / "deployments" / "prefect.yaml"
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["deployments"]
NAMES = (
    "check-certificates/default",
    "backup-cluster/default",
    "create-cluster/default",
    "delete-cluster/default",
    "mark-test-hosts/default",
    "test-connection/default",
    "remove-workers/default",
    "renew-certificates/default",
    "restore-cluster/default",
    "retest-clusters/default",
    "save-cluster/default",
    "set-platform-host-network/default",
    "upgrade-cluster/default",
    "verify-cluster/default",
)


@pytest.mark.parametrize("entrypoint", [deployment["entrypoint"] for deployment in DEPLOYMENTS])
def test_every_entrypoint_is_a_flow(entrypoint: str) -> None:
    """A module's attribute that can be imported from anywhere."""
    module, _, name = entrypoint.rpartition(".")
    assert isinstance(getattr(import_module(module), name), Flow)


@pytest.mark.parametrize("example", sorted((FILE.parent / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_a_good_cluster_file(example: Path) -> None:
    """The examples have no problem, not even a warning."""
    reading = read_text(example.read_text(encoding="utf-8"))
    assert reading.spec is not None
    assert reading.problems == ()


def test_the_operations_that_everybody_uses_come_first() -> None:
    """The UI lists deployments of one name in the order of their registration, ten on a page."""
    names = [deployment["entrypoint"].rpartition(".")[2] for deployment in DEPLOYMENTS]
    assert {"save_cluster", "test_connection", "create_cluster", "verify_cluster", "remove_workers", "delete_cluster"} <= {*names[:10]}
    assert names.index("save_cluster") < names.index("create_cluster") < names.index("delete_cluster")


def test_there_is_an_example_of_every_stack_mode() -> None:
    """One file each."""
    assert {path.name for path in (FILE.parent / "examples").glob("*.yaml")} >= {
        "ipv4.yaml",
        "dual-stack.yaml",
        "dual-stack-ipv6-first.yaml",
        "ipv6.yaml",
    }


@pytest.mark.server
@pytest.mark.parametrize("name", NAMES)
def test_a_deployment_waits_its_turn(prefect_server: Workplace, name: str) -> None:
    """Runs beyond the limit wait, none is cancelled; tags and description tell what it is."""
    deployment = prefect_server.api(f"/deployments/name/{name}")
    assert deployment["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    assert deployment["global_concurrency_limit"]["limit"] > 1
    assert "sixstack" in deployment["tags"]
    assert len(deployment["description"]) > 60


@pytest.mark.server
@pytest.mark.parametrize("name", NAMES)
def test_the_form_describes_every_field(prefect_server: Workplace, name: str) -> None:
    """Parameters, and every field of the nested models, have a description."""
    schema = prefect_server.api(f"/deployments/name/{name}")["parameter_openapi_schema"]
    silent = [field for field, text in schema["properties"].items() if not text.get("description")]
    for model, definition in schema.get("definitions", {}).items():
        if "enum" not in definition:
            silent += [f"{model}.{field}" for field, text in definition.get("properties", {}).items() if not text.get("description")]
    assert silent == []


@pytest.mark.server
@pytest.mark.parametrize("name", ["create-cluster/default", "save-cluster/default"])
def test_the_short_form_has_drop_downs_and_proposals(prefect_server: Workplace, name: str) -> None:
    """Stack mode and role are enums; what the cluster file must have is required, and ranges are proposed. The text field comes first."""
    schema = prefect_server.api(f"/deployments/name/{name}")["parameter_openapi_schema"]
    text, form = schema["properties"]["cluster"]["anyOf"]
    assert (text["type"], form["$ref"]) == ("string", "#/definitions/ClusterForm")
    models = schema["definitions"]
    assert {name for name, model in models.items() if "enum" in model} == {"Role", "StackMode"}
    assert models["LoginForm"]["required"] == ["address", "host_key"]
    assert len(models["NetworkForm"]["properties"]["pods"]["default"]) == 2
    assert sum(len(model.get("properties", ())) for model in models.values()) <= 20, "the form of the whole file has 90 fields"


@pytest.mark.server
@pytest.mark.parametrize("name", sorted({*NAMES} - {"create-cluster/default", "save-cluster/default", "retest-clusters/default"}))
def test_the_other_forms_ask_for_a_name_or_a_text(prefect_server: Workplace, name: str) -> None:
    """One field. Nobody fills in all hosts again to delete them."""
    schema = prefect_server.api(f"/deployments/name/{name}")["parameter_openapi_schema"]
    assert schema["properties"]["cluster"]["type"] == "string"
    assert schema.get("definitions", {}) == {}


@pytest.mark.server
def test_a_run_is_one_process_of_the_worker(prefect_server: Workplace) -> None:
    """The worker's own Python, without another one in between, and in a session of its own: Ctrl-C on the worker does not reach it."""
    run = prefect_server.start("verify-cluster/default", {"cluster": "nobody"}, own_start=True)
    worker = prefect_server.prefect.process("worker")
    assert worker is not None
    process = None
    while process is None:
        assert prefect_server.api(f"/flow_runs/{run}")["state_type"] in {"SCHEDULED", "PENDING", "RUNNING"}
        process = engine_of(run)
    engine = psutil.Process(process)
    assert (engine.ppid(), os.getsid(process), engine.cmdline()[0]) == (worker.pid, process, worker.cmdline()[0])
    assert prefect_server.ended(run)["state_type"] == "FAILED"
