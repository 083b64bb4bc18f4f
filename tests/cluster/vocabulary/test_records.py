"""Outcomes of steps for people."""

from __future__ import annotations

import pytest

from cluster.plan import create, delete, upgrade
from cluster.vocabulary.records import Outcome, shown_outcome


@pytest.mark.parametrize(
    "step",
    [
        *(
            "check-host-network",
            "compare",
            "find-members",
            "find-unlisted-hosts",
            "inspect-certificates",
            "inspect-host",
            "plan",
            "plan-renewal",
        ),
        *("read-copy", "validate", create.WAIT_NETWORK, create.WAIT_READY, create.WAIT_DNS, create.VERIFY_NETWORK, upgrade.WAIT_ADDONS),
    ],
)
def test_a_step_that_only_looks_or_waits_is_done(step: str) -> None:
    """It could not have changed anything. A failure is a failure."""
    assert shown_outcome(step, Outcome.UNCHANGED) == "done"
    assert shown_outcome(step, Outcome.FAILED) == "failed"


@pytest.mark.parametrize("step", [create.PREPARE_HOST, create.LABEL_NODE, create.JOIN_WORKER, delete.RESET_HOST, "save-cluster"])
def test_a_step_that_found_nothing_to_do_is_unchanged(step: str) -> None:
    """It would have changed something."""
    assert shown_outcome(step, Outcome.UNCHANGED) == "unchanged"
    assert shown_outcome(step, Outcome.CHANGED) == "changed"
