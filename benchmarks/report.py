"""The result of the benchmark as text: both ways side by side, phase by phase."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

# phase -> its marks in the script, its steps in the audit records; a phase ends with the last of them
_PHASES: dict[str, tuple[Callable[[str], bool], tuple[str, ...]]] = {
    "inspected and planned": (lambda _mark: False, ("validate", "inspect-host", "plan")),
    "prepared (all hosts)": (lambda mark: mark.startswith("prepared "), ("prepare-host",)),
    "control plane initialized": (lambda mark: mark == "init", ("init-control-plane",)),
    "pod network applied": (lambda mark: mark == "cni", ("install-cni",)),
    "workers joined": (lambda mark: mark.startswith("joined "), ("join-worker",)),
    "nodes ready": (lambda mark: mark == "ready", ("wait-ready",)),
    "CoreDNS available": (lambda mark: mark == "dns available", ("wait-dns",)),
}


def phases_of_records(steps: list[dict[str, Any]]) -> dict[str, float]:
    """When each phase of a flow run ended, in seconds from its start."""
    return {
        phase: max(step["end"] for step in steps if step["step"] in names)
        for phase, (_, names) in _PHASES.items()
        if any(step["step"] in names for step in steps)
    }


def phases_of_marks(marks: dict[str, float]) -> dict[str, float]:
    """When each phase of the script ended."""
    return {phase: max(at for mark, at in marks.items() if of(mark)) for phase, (of, _) in _PHASES.items() if any(map(of, marks))}


def show(result: dict[str, Any]) -> str:
    """The result as tables."""
    scripts = [run for run in result["runs"] if run["way"] == "script" and run["ok"]]
    flows = [run for run in result["runs"] if run["way"] == "flow" and run["ok"]]
    parts = [_rounds(scripts, flows), _phases(scripts, flows), _costs(scripts, flows), _gaps(flows), _check(result["check"])]
    failed = [run["way"] for run in result["runs"] if not run["ok"]]
    if failed:
        parts.insert(0, f"{len(failed)} of {len(result['runs'])} runs FAILED and are not included: {', '.join(failed)}")
    return "\n\n".join(part for part in parts if part)


def _table(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _rounds(scripts: list[dict[str, Any]], flows: list[dict[str, Any]]) -> str:
    rows = [["round", "script s", "flow s", "ratio", "command to start s", "others' cores (script, flow)"]]
    for number, (script, flow) in enumerate(zip(scripts, flows, strict=False), start=1):
        rows.append(
            [
                str(number),
                f"{script['wall']:.1f}",
                f"{flow['wall']:.1f}",
                f"{flow['wall'] / script['wall']:.2f}",
                f"{flow['before_start']:.1f}",
                f"{script['others_cores']:.1f}, {flow['others_cores']:.1f}",
            ]
        )
    if scripts and flows:
        walls = [median(run["wall"] for run in runs) for runs in (scripts, flows)]
        waited = median(run["before_start"] for run in flows)
        rows.append(["median", f"{walls[0]:.1f}", f"{walls[1]:.1f}", f"{walls[1] / walls[0]:.2f}", f"{waited:.1f}", ""])
    return _table(rows)


def _phases(scripts: list[dict[str, Any]], flows: list[dict[str, Any]]) -> str:
    """The median end of each phase."""
    by_script = [phases_of_marks(run["phases"]) for run in scripts]
    by_flow = [run["phases"] for run in flows]
    rows = [["end of phase (median s)", "script", "flow", "difference"]]
    for phase in _PHASES:
        ends = [[run[phase] for run in runs if phase in run] for runs in (by_script, by_flow)]
        cells = [f"{median(end):.1f}" if end else "-" for end in ends]
        rows.append([phase, *cells, f"{median(ends[1]) - median(ends[0]):+.1f}" if all(ends) else "-"])
    walls = [[run["wall"] for run in runs] for runs in (scripts, flows)]
    if all(walls):
        rows.append(["everything", *(f"{median(wall):.1f}" for wall in walls), f"{median(walls[1]) - median(walls[0]):+.1f}"])
    return _table(rows)


def _costs(scripts: list[dict[str, Any]], flows: list[dict[str, Any]]) -> str:
    rows = [["median", "script", "flow", "ratio"]]
    for name, key in (("CPU s, in the hosts", "hosts"), ("CPU s, management side", "management")):
        used = [median(run["cpu"][key] for run in runs) if runs else 0.0 for runs in (scripts, flows)]
        rows.append([name, *(f"{seconds:.1f}" for seconds in used), f"{used[1] / used[0]:.2f}" if all(used) else "-"])
    if not flows:
        return _table(rows)
    rows.append(["- before the run's start", "-", f"{median(run['cpu_before_start'] for run in flows):.1f}", "-"])
    for name, key in (("CPU s, Prefect server", "server"), ("CPU s, Prefect worker", "worker"), ("CPU s, sixstack create", "command")):
        rows.append([name, "-", f"{median(run['cpu'][key] for run in flows):.1f}", "-"])
    rows.append(["peak memory of the flow's process, MB", "-", f"{max(run['peak_memory'] for run in flows) / 1e6:.0f}", "-"])
    return _table(rows)


def _gaps(flows: list[dict[str, Any]]) -> str:
    """The steps of the median flow run in order."""
    if not flows:
        return ""
    run = sorted(flows, key=lambda run: float(run["wall"]))[len(flows) // 2]
    rows = [["step of the median run", "from s", "to s", "took s"]]
    rows += [[f"{s['step']} {s['host']}", f"{s['start']:.1f}", f"{s['end']:.1f}", f"{s['end'] - s['start']:.1f}"] for s in run["steps"]]
    rows.append(["run ended", "", f"{run['wall']:.1f}", ""])
    return _table(rows)


def _check(check: dict[str, dict[str, float]]) -> str:
    rows = [["sixstack check (median of 5)", "wall s", "CPU s"]]
    rows += [[name, f"{seconds['wall']:.2f}", f"{seconds['cpu']:.2f}"] for name, seconds in check.items()]
    return _table(rows)
