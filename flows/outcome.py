"""What became of the steps: every future is drained, every failure is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prefect.futures import PrefectFuture
from prefect.states import get_state_exception

from cluster.records import StepRecord


@dataclass(frozen=True)
class Fate:
    """How one step ended."""

    record: StepRecord | None
    why_not: str | None  # None when it was completed

    @property
    def done(self) -> bool:
        """The step was completed."""
        return self.why_not is None


def fate(future: PrefectFuture[Any]) -> Fate:
    """Wait for a step; its record, or why there is none."""
    future.wait()
    state = future.state
    if state.is_completed():
        return Fate(state.result(), None)
    if state.is_failed() or state.is_crashed():
        raised = get_state_exception(state)
        return Fate(None, str(raised) or type(raised).__name__)
    return Fate(None, "not started: a step it needs did not end well")


def fates(futures: Mapping[str, PrefectFuture[Any]]) -> dict[str, Fate]:
    """The fate of each."""
    return {name: fate(future) for name, future in futures.items()}
