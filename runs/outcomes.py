"""What became of the steps: every future is drained, every failure is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prefect.futures import PrefectFuture
from prefect.states import get_state_exception

from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.redaction import redact


class NotStarted(ClusterError):
    """A step that never ran, as one that it needs did not end well."""


@dataclass(frozen=True)
class StepOutcome:
    """How one step ended."""

    record: StepRecord | None
    error: BaseException | None  # None when it was completed

    @property
    def done(self) -> bool:
        """The step was completed."""
        return self.error is None

    @property
    def why_not(self) -> str | None:
        """The error for people, redacted; None when the step was completed."""
        return None if self.error is None else redact(str(self.error)) or type(self.error).__name__


def fate(future: PrefectFuture[Any]) -> StepOutcome:
    """Wait for a step; its record, or why there is none."""
    future.wait()
    state = future.state
    if state.is_completed():
        return StepOutcome(state.result(), None)
    if state.is_failed() or state.is_crashed():
        raised = get_state_exception(state)
        assert isinstance(raised, BaseException)  # a coroutine only where an event loop runs, and no flow of ours is async
        return StepOutcome(None, raised)
    return StepOutcome(None, NotStarted("not started: a step it needs did not end well"))


def fates(futures: Mapping[str, PrefectFuture[Any]]) -> dict[str, StepOutcome]:
    """The fate of each."""
    return {name: fate(future) for name, future in futures.items()}
