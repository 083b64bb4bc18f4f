"""Compares the create flow with a hand-tuned shell script that does the same work: `python -m benchmarks.create_flow [--rounds N]`.

Both create the same dual-stack cluster on three bare lab hosts from the same bundle. They run alternately, so that other load on the
machine affects both. docs/benchmarks.md explains the comparison and the result.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.inputs import write_inputs
from benchmarks.processes import Watch, descendants, ended_children_cpu, machine_busy, own_cpu
from benchmarks.report import phases_of_records, show
from cluster.file.reader import read_document
from cluster.vocabulary.families import StackMode
from cluster.vocabulary.resolved_spec import ResolvedSpec
from demo.local_prefect import SIXSTACK, LocalPrefect
from lab import hosts
from lab.build.bundle import build_bundle
from lab.spec import cluster_document, cluster_file

LAB = "bench"
ROOT = Path(__file__).parent.parent
SCRIPT = Path(__file__).with_name("by_hand.sh")
EXAMPLES = ROOT / "deployments" / "examples"
LIMIT = 600
_RUN_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


@dataclass
class Run:
    """One created cluster with its measurements; all times are in seconds."""

    way: str
    ok: bool
    wall: float
    phases: dict[str, float] = field(default_factory=dict)  # when each phase ended, from the start
    cpu: dict[str, float] = field(default_factory=dict)
    before_start: float = 0.0  # from the command to the start of the flow run
    cpu_before_start: float = 0.0  # CPU time of the flow run's process before the start of the run
    peak_memory: int = 0  # of the flow run's process, in bytes
    others_cores: float = 0.0  # cores that other processes used, on average: a high value shows a disturbed run
    load: tuple[float, float] = (0.0, 0.0)
    steps: list[dict[str, Any]] = field(default_factory=list)
    output: str = ""


def main() -> int:
    """Run the benchmark; 0 when every run created its cluster."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.create_flow", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["script", "flow"], help="run only one of the two")
    parser.add_argument(
        "--folder", type=Path, default=Path(".sixstack/benchmark"), help="folder for Prefect's state, audit records and inputs"
    )
    parser.add_argument("--output", type=Path, help="file for the result as JSON; default: FOLDER/create-flow.json")
    options = parser.parse_args()
    folder = options.folder.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check = _check_seconds()
    ways = [options.only] if options.only else ["script", "flow"]
    runs: list[Run] = []
    with _prefect(folder) as prefect:
        try:
            for number in range(options.rounds):
                # the order alternates, so that neither always has the warmer page cache
                for way in ways if number % 2 == 0 else reversed(ways):
                    _bare_hosts(prefect)
                    runs.append(_by_hand(folder) if way == "script" else _by_flow(prefect))
                    _report(_line(runs[-1]))
        finally:
            hosts.down(LAB, report=_report)
    result = {"when": datetime.now(UTC).isoformat(), "cores": os.cpu_count(), "check": check, "runs": [vars(run) for run in runs]}
    output = options.output or folder / "create-flow.json"
    output.write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(show(result))
    print(f"JSON: {output}")
    return 0 if all(run.ok for run in runs) else 1


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _line(run: Run) -> str:
    disturbed = f"other processes used {run.others_cores:.1f} cores, load {run.load[0]:.1f} -> {run.load[1]:.1f}"
    return f"{run.way}: {'' if run.ok else 'FAILED after '}{run.wall:.1f} s ({disturbed}){'' if run.ok else chr(10) + run.output[-3000:]}"


@contextmanager
def _prefect(folder: Path) -> Iterator[LocalPrefect]:
    """A Prefect server and worker for the benchmark."""
    prefect = LocalPrefect(folder)
    prefect.start(_report)
    try:
        prefect.deploy(_report)
        yield prefect
    finally:
        prefect.stop(_report)


def _bare_hosts(prefect: LocalPrefect) -> None:
    """Create three new hosts, their cluster file, and the inputs of both ways."""
    hosts.down(LAB)
    hosts.up(LAB, hosts=3)
    lab = hosts.lab_of(LAB)
    bundle = build_bundle()
    document = cluster_document(lab, hosts.status(LAB), StackMode.DUAL_STACK)
    (prefect.root / "cluster.yaml").write_text(cluster_file(document), encoding="utf-8")
    spec = read_document(document).spec
    assert spec is not None
    for old in (prefect.root / "inputs").glob("*"):
        old.unlink()
    write_inputs(prefect.root / "inputs", ResolvedSpec.of(spec), bundle, lab.key_file)
    prefect.register(bundle=bundle, credential=f"lab-{LAB}", key_file=lab.key_file, audit=prefect.root / "audit")
    os.sync()  # so that the writes of the last round do not slow down the next


def _lab_cpu() -> float:
    """CPU seconds of all processes in the lab's hosts; 0 if no cgroup counts them."""
    for path, unit in ((f"cpuacct/sixstack-lab/{LAB}/cpuacct.usage", 1e9), (f"sixstack-lab/{LAB}/cpu.stat", 1e6)):
        file = Path("/sys/fs/cgroup") / path
        if file.exists():
            return int(file.read_text(encoding="ascii").split("usage_usec ")[-1].split()[0]) / unit
    return 0.0


@dataclass
class _Clock:
    """Measures the CPU time of the lab and of the whole machine from its creation."""

    begin: float = field(default_factory=time.monotonic)
    busy: float = field(default_factory=machine_busy)
    lab: float = field(default_factory=_lab_cpu)
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    def stop(self, run: Run) -> Run:
        """Store the CPU time of the hosts and of other processes in `run`."""
        run.cpu["hosts"] = _lab_cpu() - self.lab
        others = machine_busy() - self.busy - sum(run.cpu.values())
        run.others_cores = max(0.0, others) / (time.monotonic() - self.begin)
        run.load = (self.load, os.getloadavg()[0])
        return run


def _by_hand(folder: Path) -> Run:
    clock = _Clock()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.measured", "bash", str(SCRIPT), str(folder / "inputs")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    measured = json.loads(done.stdout.splitlines()[-1])
    marks = [line.rsplit(" ", 1) for line in (folder / "inputs" / "marks").read_text(encoding="utf-8").splitlines()]
    run = Run("script", done.returncode == 0, measured["wall"], {name: float(at) for name, at in marks}, {"management": measured["cpu"]})
    run.output = done.stderr
    return clock.stop(run)


def _by_flow(prefect: LocalPrefect) -> Run:
    worker, server = _process_of(prefect, "worker"), _process_of(prefect, "server")
    clock = _Clock()
    before = {"worker": own_cpu(worker), "flow": ended_children_cpu(worker), "server": own_cpu(server) + ended_children_cpu(server)}
    used = os.times()
    commanded = time.time()
    with Watch(worker) as watch:
        done = subprocess.run(
            [*SIXSTACK, "create", "cluster.yaml", "--no-verify"],
            cwd=prefect.root,
            env=prefect.environment(),
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        _await_end(worker)
    command = os.times()
    run_id = run_id_of(done.stdout)
    if run_id is None:
        return clock.stop(Run("flow", False, 0.0, output=done.stdout + done.stderr))
    flow_run = _api(prefect, f"/flow_runs/{run_id}")
    start, end = (datetime.fromisoformat(flow_run[key]) for key in ("start_time", "end_time"))
    run = Run("flow", done.returncode == 0 and flow_run["state"]["type"] == "COMPLETED", (end - start).total_seconds())
    run.before_start = start.timestamp() - commanded
    run.peak_memory = watch.peak_memory
    run.cpu = {
        "management": ended_children_cpu(worker) - before["flow"],
        "worker": own_cpu(worker) - before["worker"],
        "server": own_cpu(server) + ended_children_cpu(server) - before["server"],
        "command": command.children_user + command.children_system - used.children_user - used.children_system,
    }
    # for the import of Prefect and the project, before the run starts
    run.cpu_before_start = watch.cpu_until(start.timestamp())
    run.steps = _records(prefect.root / "audit" / LAB / run_id, start)
    run.phases = phases_of_records(run.steps)
    run.output = done.stdout + done.stderr
    return clock.stop(run)


def run_id_of(printed: str) -> str | None:
    """The id of the flow run in the output of `sixstack create`."""
    return next(iter(_RUN_ID.findall(printed)), None)


def _process_of(prefect: LocalPrefect, name: str) -> int:
    process = prefect.process(name)
    assert process is not None
    return process.pid


def _await_end(worker: int) -> None:
    """Wait for the end of the flow run's process, shortly after its run. Then the kernel adds its CPU time to that of the worker's children."""
    deadline = time.monotonic() + 30
    while descendants(worker) and time.monotonic() < deadline:
        time.sleep(0.1)


def _api(prefect: LocalPrefect, path: str) -> Any:
    return prefect.request("GET", path).raise_for_status().json()


def _records(folder: Path, start: datetime) -> list[dict[str, Any]]:
    """The audit records of a run, with times in seconds from the start of the run."""
    steps = []
    for path in folder.glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        begun, ended = ((datetime.fromisoformat(record[key]) - start).total_seconds() for key in ("start", "end"))
        steps.append({"step": record["step"], "host": record["host"], "outcome": record["outcome"], "start": begun, "end": ended})
    return sorted(steps, key=lambda step: (step["start"], step["end"]))


def _check_seconds(times: int = 5) -> dict[str, dict[str, float]]:
    """Median wall and CPU seconds of `sixstack check` on each example."""
    found = {}
    for example in sorted(EXAMPLES.glob("*.yaml")):
        walls, cpus = [], []
        for _ in range(times):
            used, start = os.times(), time.monotonic()
            subprocess.run([*SIXSTACK, "check", str(example)], cwd=ROOT, check=True, capture_output=True, timeout=60)
            walls.append(time.monotonic() - start)
            now = os.times()
            cpus.append(now.children_user + now.children_system - used.children_user - used.children_system)
        found[example.name] = {"wall": median(walls), "cpu": median(cpus)}
    return found


if __name__ == "__main__":
    sys.exit(main())
