"""The pages of a run, on a real Prefect server: they belong to the run, and an expected error is one line of its log."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow

import flows
from tests.conftest import Workplace

EXAMPLE = Path(__file__).parents[2] / "deployments" / "examples" / "dual-stack.yaml"


@pytest.fixture(scope="module")
def runs(prefect_server: Workplace) -> tuple[str, str]:
    """A run of save-cluster that failed, and one that succeeded."""
    done = prefect_server.python("-m", "tests.runs.save_clusters", str(EXAMPLE))
    assert done.returncode == 0, done.stdout + done.stderr
    failed, succeeded = json.loads(done.stdout.splitlines()[-1])
    return failed, succeeded


def pages(place: Workplace, run: str) -> dict[str, dict[str, Any]]:
    """The artifacts of a flow run by key."""
    found = place.api("/artifacts/filter", {"flow_runs": {"id": {"any_": [run]}}})
    return {each["key"]: each for each in found if each["key"]}  # Prefect's own, of a stored error, have no key


@pytest.mark.server
def test_a_failed_run_has_its_problems_with_remedies(prefect_server: Workplace, runs: tuple[str, str]) -> None:
    """Each with code, place, what was found, and what to write instead."""
    found = pages(prefect_server, runs[0])
    assert found.keys() == {"pages-problems", "pages-steps", "pages-summary"}
    problems = re.findall(r"(?m)^\d+\. \*\*(.+?)\*\*: .+\n\n   Remedy: .+\n\n   Code: (.+)$", found["pages-problems"]["data"])
    assert {*problems} >= {("stack", "not-in-choices"), ("cni.kind", "not-in-choices")}
    assert "| failed |" in found["pages-steps"]["data"]
    for page in ("problems", "steps"):
        assert f"/artifacts/artifact/{found[f'pages-{page}']['id']})" in found["pages-summary"]["data"]


@pytest.mark.server
def test_a_failed_run_has_one_short_error_in_its_log(prefect_server: Workplace, runs: tuple[str, str]) -> None:
    """No traceback, and no list of problems as a repr."""
    logs = prefect_server.api("/logs/filter", {"logs": {"flow_run_id": {"any_": [runs[0]]}}})
    assert any("[not-in-choices]" in log["message"] for log in logs), "the line of the step lists the problems"
    (error,) = [log["message"] for log in logs if log["level"] >= 40]
    assert "SpecError" in error
    assert "\n" not in error
    assert "\\n" not in error
    assert not [log for log in logs if "Traceback" in log["message"]]


@pytest.mark.server
def test_a_good_run_has_its_steps_and_says_what_is_next(prefect_server: Workplace, runs: tuple[str, str]) -> None:
    """Also for a person who has the UI only."""
    found = pages(prefect_server, runs[1])
    assert found.keys() == {"pages-steps", "pages-summary"}
    assert "save-cluster" in found["pages-steps"]["data"]
    assert "`create-cluster`, with `pages` as `cluster`" in found["pages-summary"]["data"]


@pytest.mark.server
def test_names_and_tags_tell_runs_apart(prefect_server: Workplace, runs: tuple[str, str]) -> None:
    """Operation, cluster and the words that Prefect gave; the tag of the cluster, also when its file cannot be read."""
    found = [prefect_server.api(f"/flow_runs/{run}") for run in runs]
    names = [run["name"] for run in found]
    assert all(name.startswith("save ") and len(name.split()) >= 3 for name in names), names
    assert len(set(names)) == 2
    assert all("cluster:pages" in run["tags"] for run in found), [run["tags"] for run in found]


def test_every_flow_has_pages() -> None:
    """One that is not wrapped would have none."""
    modules = [path.stem for path in Path(flows.__path__[0]).glob("*.py") if path.stem != "__init__"]
    found = {name: getattr(__import__(f"flows.{name}", fromlist=[name]), name, None) for name in modules}
    unwrapped = [name for name, flow in found.items() if isinstance(flow, Flow) and not hasattr(flow.fn, "__wrapped__")]
    assert unwrapped == []
    assert sum(isinstance(flow, Flow) for flow in found.values()) > 15
