"""The subflow of a run has the run's tag, and is never taken for a run of its own."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Completed, Running

from runs.cluster_slot import SUBFLOW_TAG, _holder, cluster_tag
from runs.overview import _last_run

TAG = cluster_tag("demo")


class StandInForTheServer:
    """Answers each question for flow runs with these runs."""

    def __init__(self, *runs: FlowRun) -> None:
        self._runs = runs

    def read_flow_runs(self, **_: Any) -> list[FlowRun]:
        """The runs, the newest first."""
        return list(self._runs)


def run(name: str, *tags: str, ended: bool = False) -> FlowRun:
    """A run with the tag of the cluster."""
    state: State = Completed() if ended else Running()
    return FlowRun(id=uuid4(), flow_id=uuid4(), name=name, tags=[TAG, *tags], state=state, state_name=state.name)


def test_a_run_that_waits_names_the_run_that_it_waits_for() -> None:
    """Not its subflow too."""
    server: Any = StandInForTheServer(run("converge demo calm-owl", SUBFLOW_TAG), run("create demo sly-fox"))
    said = _holder(server, TAG, UUID(int=0))
    assert "create demo sly-fox" in said
    assert "converge" not in said


def test_the_overview_has_the_result_of_the_run() -> None:
    """A subflow is the newest run with the tag."""
    server: Any = StandInForTheServer(run("converge demo calm-owl", SUBFLOW_TAG, ended=True), run("create demo sly-fox", ended=True))
    assert _last_run(server, "demo").startswith("create demo sly-fox: completed")
