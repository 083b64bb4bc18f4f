"""The events that runs emit, for automations. docs/reference/events.md lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PROGRESS = "sixstack.run.progress"
STEP = "sixstack.step"  # .OUTCOME
AUDIT = "sixstack.run.audit"
DRIFT_FOUND = "sixstack.drift.found"
CERTIFICATES_EXPIRING = "sixstack.certificates.expiring"
RETEST = "sixstack.retest"  # .RESULT


@dataclass(frozen=True, slots=True)
class EventKind:
    """One kind of event. Its payload also has `line`."""

    names: tuple[str, ...]
    emitted: str  # when
    subject: str  # the name of the resource
    payload: Mapping[str, str] = field(default_factory=dict)  # field -> meaning


_RUN = {"run": "id of the flow run"}
EVENTS = (
    EventKind((PROGRESS,), "for a line of a run's progress that belongs to no step", "the line"),
    EventKind(
        (f"{STEP}.changed", f"{STEP}.unchanged", f"{STEP}.failed"),
        "when an attempt of a step ends: it changed something, found nothing to do, or failed",
        "STEP HOST",
    ),
    EventKind(
        (AUDIT,),
        "when the audit records of a run are closed",
        "the line",
        {**_RUN, "records": "number of records", "head": "digest of the last one, `sha256:HEX`"},
    ),
    EventKind(
        (DRIFT_FOUND,),
        "by inspect-cluster, when the cluster differs from its file",
        "the cluster",
        {
            **_RUN,
            "cluster": "its name",
            "differences": "their number",
            "paths": "their paths, separated by commas; 2,000 characters at most",
        },
    ),
    EventKind(
        (CERTIFICATES_EXPIRING,),
        "by check-certificates and inspect-cluster, when a certificate expires within the limit, or cannot be used",
        "the cluster",
        {
            **_RUN,
            "cluster": "its name",
            "count": "number of certificates that are due",
            "unusable": "how many of them cannot be used any more",
            "host": "host of the first one",
            "certificate": "its path",
            "state": "its state",
            "valid_until": "its end in ISO 8601; empty when it cannot be read",
            "renewed_by": "who renews it: `sixstack renew`, the kubelet, or a person",
        },
    ),
    EventKind(
        (f"{RETEST}.passed", f"{RETEST}.failed", f"{RETEST}.refused", f"{RETEST}.skipped"),
        "by retest-clusters, when the retest of a cluster ends",
        "the cluster",
        {
            **_RUN,
            "cluster": "its name",
            "result": "`passed`, `failed`, `refused` or `skipped`",
            "failed_phase": "the phase that failed; empty when none did",
            "failed_step": "the first step that failed, KIND/SUBJECT; empty when none did",
        },
    ),
)
