"""Runs save-cluster twice on the server of the current folder: with a file that has problems, then with a good one. Prints the ids of both runs.

The saved cluster `pages` is gone at the end: other tests list the clusters of this server.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from blocks.saved_cluster import SavedCluster
from flows.save_cluster import save_cluster


def _id(text: str) -> str:
    return str(save_cluster(text, return_state=True).state_details.flow_run_id)


if __name__ == "__main__":
    good = Path(sys.argv[1]).read_text(encoding="utf-8").replace("name: demo", "name: pages")
    bad = good.replace("stack: ", "stack: no-").replace("kind: flannel", "kind: no-network")
    print(json.dumps([_id(bad), _id(good)]))
    SavedCluster.delete("pages")
