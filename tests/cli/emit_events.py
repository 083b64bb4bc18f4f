"""Emit an event through Prefect's client for each line of standard input: a JSON object with event, cluster and payload."""

from __future__ import annotations

import json
import sys

from prefect.events import emit_event

if __name__ == "__main__":
    for line in sys.stdin:
        wanted = json.loads(line)
        emit_event(
            wanted["event"],
            resource={"prefect.resource.id": f"sixstack.cluster.{wanted['cluster']}", "prefect.resource.name": wanted["cluster"]},
            related=[{"prefect.resource.id": f"prefect.flow-run.{wanted['payload']['run']}", "prefect.resource.role": "flow-run"}],
            payload=wanted["payload"],
        )
