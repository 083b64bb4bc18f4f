"""Audit records of retests, as the audit store yields them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cluster.retests.records import RETEST_CLUSTER, RETESTS, START_RETESTS, Phase, PhaseRecord, RetestRecord, RetestResult, RetestStart
from cluster.vocabulary.records import Outcome

PHASES = (Phase.FREE_HOSTS, Phase.CREATE, Phase.VERIFY, Phase.DELETE)  # of a retest without upgrade and restore
FIRST_NIGHT = datetime(2026, 1, 1, 2, tzinfo=UTC)
CLUSTERS = {"v4": "ipv4", "dual": "dual-stack, IPv4 first", "dual-v6": "dual-stack, IPv6 first", "v6": "ipv6"}
FILE = {"name": "v4", "network": {"pods": [{"cidr": "10.244.0.0/16"}]}, "hosts": [{"name": "node-1"}, {"name": "node-2"}]}


def night_start(night: int, clusters: Mapping[str, str] = CLUSTERS) -> RetestStart:
    """The start of the run of a night."""
    start = FIRST_NIGHT + timedelta(days=night)
    return RetestStart(
        cluster=RETESTS,
        host="cluster",
        step=START_RETESTS,
        flow_run=f"run-{night}",
        attempt=1,
        outcome=Outcome.UNCHANGED,
        start=start,
        end=start,
        clusters=dict(clusters),
    )


def retest(night: int, cluster: str = "v4", result: RetestResult = RetestResult.PASSED, **changes: Any) -> RetestRecord:
    """The retest of a cluster in a night, of 100 seconds; the clusters of a night follow one another. Keyword arguments replace fields."""
    start = FIRST_NIGHT + timedelta(days=night, minutes=1 + 10 * list(CLUSTERS).index(cluster) if cluster in CLUSTERS else 1)
    failed = result is RetestResult.FAILED
    fields: dict[str, Any] = {
        "cluster": RETESTS,
        "host": cluster,
        "step": RETEST_CLUSTER,
        "flow_run": f"run-{night}",
        "attempt": 1,
        "outcome": Outcome.FAILED if failed else Outcome.CHANGED,
        "start": start,
        "end": start + timedelta(seconds=100),
        "error": "the network is broken\nat node-1" if failed else None,
        "result": result,
        "stack": CLUSTERS.get(cluster, "ipv4"),
        "phases": [
            PhaseRecord(phase=phase, flow_run=f"{phase}-{night}", seconds=25, succeeded=not failed or phase is not Phase.VERIFY)
            for phase in PHASES
        ],
        "failed_step": "verify-network/cluster" if failed else "",
        "versions": {"kubernetes": "1.36.3", "flannel": "0.27.4"},
        "file": FILE,
    }
    return RetestRecord(**{**fields, **changes})


def documents(*records: RetestStart | RetestRecord) -> list[dict[str, Any]]:
    """The records as JSON documents."""
    return [record.model_dump(mode="json") for record in records]
