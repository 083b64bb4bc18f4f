"""The block with a cluster's recorded host keys, on a real server: runs and steps that record at the same time lose no key."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import Workplace

pytestmark = pytest.mark.server

SCRIPT = Path(__file__).with_name("record_keys.py")
OTHER_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIJF6xjDGXHDhDqDGSHsyMfYqIZVLVyOPfNcRMNYzGNrZ"


def start(place: Workplace, cluster: str, *hosts: str) -> subprocess.Popen[str]:
    """Start a process that records keys once it gets a line."""
    process = place.popen(str(SCRIPT), cluster, *hosts, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    while (line := process.stdout.readline()) not in ("ready\n", ""):
        pass
    assert line, "the process ended"
    return process


def finished(*processes: subprocess.Popen[str]) -> str:
    """Let the processes record, at the same time; what they printed."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    output = [process.communicate(timeout=180)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), output
    return "".join(output)


def recorded(place: Workplace, cluster: str) -> dict[str, str]:
    """The keys in the block, by host."""
    block = place.api(f"/block_types/slug/recorded-host-keys/block_documents/name/{cluster}")
    return {key["host"]: key["key"] for key in block["data"]["keys"]}


def test_two_runs_with_parallel_steps_lose_no_key(prefect_server: Workplace) -> None:
    """Three processes of eight threads each record 24 hosts of one cluster."""
    hosts = [f"node-{number}" for number in range(24)]
    finished(*(start(prefect_server, "crowded", *hosts[at::3]) for at in range(3)))
    assert sorted(recorded(prefect_server, "crowded")) == sorted(hosts)


def test_two_runs_that_see_different_keys_of_one_host_agree_on_one(prefect_server: Workplace) -> None:
    """Both had found no key: the second one gets the key of the first, which it then compares with its own."""
    output = finished(start(prefect_server, "disputed", "node-1"), start(prefect_server, "disputed", f"node-1={OTHER_KEY}"))
    told = {line.split(" ", 1)[1] for line in output.splitlines() if line.startswith("node-1")}
    assert told == {recorded(prefect_server, "disputed")["node-1"]}


def test_the_block_shows_host_endpoint_fingerprint_and_time(prefect_server: Workplace) -> None:
    """As plain values: public keys are no secrets."""
    finished(start(prefect_server, "shown", "node-1"))
    block = prefect_server.api("/block_types/slug/recorded-host-keys/block_documents/name/shown")
    (key,) = block["data"]["keys"]
    assert list(key) == ["host", "endpoint", "fingerprint", "recorded", "key"]
    assert key["fingerprint"] == "ssh-ed25519 SHA256:" + key["fingerprint"].partition(":")[2]
    assert key["recorded"].startswith("20")
