"""The history of retests as Markdown, for the Prefect UI: the state of each cluster, charts of durations, and a table of the last nights."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cluster.network.matrix import BAD, GOOD, NONE
from cluster.retests.history import ClusterHistory, History, HistoryRow, RowResult, shown_phases, shown_seconds
from cluster.retests.records import Phase
from cluster.vocabulary.markdown import escape, table
from cluster.vocabulary.ui_links import run_link

NIGHTS = 30  # the command `sixstack retests` and the audit store have all of them
# the default colour of the first line is hardly visible on the light page of the V2 UI
_LINE_COLOUR = '%%{init: {"themeVariables": {"xyChart": {"plotColorPalette": "#2563eb"}}}}%%'
_COLOURS = {RowResult.PASSED: GOOD, RowResult.FAILED: BAD, RowResult.NOT_FINISHED: BAD}


def history_page(history: History) -> str:
    """The page of the last nights."""
    nights = history.nights()[-NIGHTS:]
    parts = ["# Retests"]
    if not nights:
        parts.append("No retest is recorded.")
    rows = [row for night in nights for row in night]
    for state in history.clusters():
        if state.newest in rows:  # else the cluster is no longer retested
            parts.append("\n".join(_state(state)))
            parts.append(_chart([row for row in rows if row.cluster == state.cluster]))
    if nights:
        parts.append(f"## The last {len(nights)} nights" if len(nights) > 1 else "## The last night")
        phases = shown_phases(rows)
        header = ("date", "cluster", "stack mode", "result", "total", *phases, "first failing step", "run")
        parts.append(table(header, [_cells(row, phases) for night in reversed(nights) for row in night]))
        parts.append("Durations are in seconds, dates in UTC. `sixstack retests` prints all nights.")
    if history.unreadable:
        parts.append(f"{history.unreadable} records in the audit store cannot be read: damaged, or of another version of sixstack.")
    return "\n\n".join(part for part in parts if part)


def _state(state: ClusterHistory) -> list[str]:
    newest, good = state.newest, state.last_good
    last_good = f"last good run {good.shown_start} ({_run(good.flow_run)})" if good else "no good run"
    lines = [
        f"## {_colour(newest)} {escape(newest.cluster)}",
        "",
        f"Stack mode {escape(newest.stack) or 'unknown'}: {newest.shown_result} on {newest.shown_start}, {last_good}.",
    ]
    if newest.failed_step or newest.error:
        lines += ["", f"First failing step: {escape(newest.failed_step or '-')}. {escape(newest.error)}".rstrip()]
    if good and not newest.good:
        lines += ["", "Changes since the last good run:" if state.changes else "The versions and the file have not changed since.", ""]
        lines += [f"- {escape(change)}" for change in state.changes]
    return lines


def _chart(rows: Sequence[HistoryRow]) -> str:
    """The durations of passed retests. An xychart has no gaps, so nights without one are not drawn; two points make the first line."""
    passed = [(row.start, row.seconds) for row in rows if row.good and row.seconds is not None]
    if len(passed) < 2:
        return ""
    first, last = (f"{start:%Y-%m-%d}" for start, _ in (passed[0], passed[-1]))
    highest = max(1, math.ceil(max(duration for _, duration in passed)))
    return "\n".join(
        [
            "```mermaid",
            _LINE_COLOUR,
            "xychart-beta",
            f'    x-axis "{len(passed)} passed retests from {first} to {last}" 1 --> {len(passed)}',
            f'    y-axis "seconds" 0 --> {highest}',
            f"    line [{', '.join(f'{max(0.0, duration):.0f}' for _, duration in passed)}]",
            "```",
        ]
    )


def _cells(row: HistoryRow, phases: Sequence[Phase]) -> list[str]:
    return [
        row.shown_start,
        escape(row.cluster),
        escape(row.stack),
        f"{_colour(row)} {row.shown_result}",
        shown_seconds(row.seconds),
        *(_phase(row, phase) for phase in phases),
        escape(row.failed_step or "-"),
        _run(row.flow_run),
    ]


def _phase(row: HistoryRow, phase: Phase) -> str:
    """The duration of a phase, with its last run."""
    duration = shown_seconds(row.phase_seconds(phase))
    runs = [record.flow_run for record in row.phases if record.phase is phase]
    if not runs:
        return duration
    return _link(duration, runs[-1])


def _run(run: str) -> str:
    """The first characters of a run's id, which are enough to tell runs apart, as a link."""
    return _link(escape(run[:8]), run)


def _link(text: str, run: str) -> str:
    return f"[{text}]({run_link(run)})"


def _colour(row: HistoryRow) -> str:
    return _COLOURS.get(row.result, NONE)
