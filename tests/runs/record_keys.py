"""Record host keys for a cluster on the server of the current folder: `python record_keys.py CLUSTER HOST...`, each by a thread.

Waits for a line of standard input first, and prints the recorded key of each host.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from cluster.vocabulary.host_keys import RecordedHostKey
from runs.recorded_keys import ClusterKeys

CLUSTER, *HOSTS = sys.argv[1:]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"

keys = ClusterKeys(CLUSTER)


def record(host: str) -> str:
    """Record the key of one host; `HOST=KEY` gives another key than the usual one."""
    name, _, key = host.partition("=")
    assert keys.find(f"{name}:22") is None
    return keys.record(RecordedHostKey.first_use(name, f"{name}:22", f"ssh-ed25519 {key}" if key else KEY)).key


print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(len(HOSTS)) as pool:
    for host, key in zip(HOSTS, pool.map(record, HOSTS), strict=True):
        print(host, key, flush=True)
