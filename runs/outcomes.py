"""The outcome of a step, from its future."""

from __future__ import annotations

from typing import Any

from prefect.futures import PrefectFuture
from prefect.states import get_state_exception

from cluster.plan.outcome import NotStarted, StepOutcome


def outcome_of(future: PrefectFuture[Any]) -> StepOutcome:
    """Wait for a step; returns its result or its error."""
    future.wait()
    state = future.state
    if state.is_completed():
        return StepOutcome(state.result())
    if state.is_failed() or state.is_crashed():
        raised = get_state_exception(state)
        assert isinstance(raised, BaseException)  # a coroutine only where an event loop runs, and no flow of ours is async
        return StepOutcome(None, raised)
    return StepOutcome(None, NotStarted("not started: a step that it needs did not succeed"))
