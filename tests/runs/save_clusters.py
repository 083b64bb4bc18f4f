"""Runs save-cluster twice on the server of the current folder: with a file that has problems, then with a good one. Prints the ids of both runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from flows.save_cluster import save_cluster


def _id(text: str) -> str:
    return str(save_cluster(text, return_state=True).state_details.flow_run_id)  # type: ignore[call-overload]


if __name__ == "__main__":
    good = Path(sys.argv[1]).read_text(encoding="utf-8")
    bad = good.replace("stack: ", "stack: no-").replace("kind: flannel", "kind: no-network")
    print(json.dumps([_id(bad), _id(good)]))
