"""The steps of a run by host as Markdown, for the Prefect UI: a Gantt chart, and a table for the V1 UI, which draws no charts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cluster.vocabulary.markdown import escape, table
from cluster.vocabulary.records import Outcome, shown_outcome

# a longer chart is slow to draw in browsers, and nobody compares its bars; the table has every step
_MOST_BARS = 120
_LETTER = 8  # pixels of a letter of a host's name, beside its bars
# The V2 UI draws on a dark ground in both of its themes, 700 pixels wide; a wider chart would be scaled, with its text.
_WIDTH = 700
_GROUND, _OTHER_GROUND, _TEXT, _GREY, _BLUE, _RED = "#111827", "#1f2937", "#e5e7eb", "#6b7280", "#2563eb", "#dc2626"
_COLOURS = {
    **dict.fromkeys(("textColor", "titleColor", "taskTextOutsideColor"), _TEXT),
    **dict.fromkeys(("taskTextColor", "taskTextDarkColor", "taskTextLightColor"), "#ffffff"),
    **dict.fromkeys(("activeTaskBkgColor", "activeTaskBorderColor"), _BLUE),
    **dict.fromkeys(("doneTaskBkgColor", "doneTaskBorderColor"), _GREY),
    **dict.fromkeys(("critBkgColor", "critBorderColor"), _RED),
    "sectionBkgColor": _GROUND,
    "altSectionBkgColor": _OTHER_GROUND,
    "sectionBkgColor2": _GROUND,
    "gridColor": _GREY,
}
_MOST_TICKS = 7
_TICKS = {
    "1second": 1,
    "5second": 5,
    "10second": 10,
    "30second": 30,
    "1minute": 60,
    "2minute": 120,
    "5minute": 300,
    "15minute": 900,
    "1hour": 3600,
}
_STATUS = {Outcome.CHANGED: "active, ", Outcome.FAILED: "crit, ", Outcome.UNCHANGED: "done, "}


@dataclass(frozen=True, slots=True)
class StepTime:
    """One attempt of one step: when it ran, and how it ended."""

    step: str
    host: str  # or `cluster`
    outcome: Outcome
    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.end - self.start).total_seconds()


def shown_seconds(seconds: float) -> str:
    """A duration for people."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def elapsed(steps: Iterable[StepTime]) -> float:
    """Seconds from the begin of the first step to the end of the last one; 0 without steps."""
    times = [time for step in steps for time in (step.start, step.end)]
    return (max(times) - min(times)).total_seconds() if times else 0.0


def steps_page(cluster: str, steps: Sequence[StepTime]) -> str:
    """The chart has a row for each host, the table a line for each attempt in order of their begin."""
    ordered = sorted(steps, key=lambda step: (step.start, step.end))
    parts = [f"# Steps of cluster {escape(cluster)}"]
    if not ordered:
        return "\n\n".join([*parts, "No step was begun."])
    if len(ordered) <= _MOST_BARS:
        parts += [f"```mermaid\n{_gantt(ordered)}\n```", "Grey: nothing to do, or only looked. Blue: changed. Red: failed."]
    else:
        parts.append(f"The chart has {len(ordered)} bars and is not drawn.")
    first = ordered[0].start
    rows = (
        (
            escape(step.host),
            escape(step.step),
            f"+{(step.start - first).total_seconds():.1f} s",
            shown_seconds(step.seconds),
            shown_outcome(step.step, step.outcome),
        )
        for step in ordered
    )
    parts.append(table(("host", "step", "begin", "duration", "outcome"), rows))
    parts.append(f"The first step began at {first:%Y-%m-%d %H:%M:%S} UTC. The last one ended after {shown_seconds(elapsed(ordered))}.")
    return "\n\n".join(parts)


def _gantt(steps: Sequence[StepTime]) -> str:
    hosts = tuple(dict.fromkeys(step.host for step in steps))
    margin = 20 + _LETTER * max(map(len, hosts))
    sizes = {"useWidth": _WIDTH, "leftPadding": margin, "fontSize": 12, "sectionFontSize": 12, "barHeight": 18, "barGap": 4}
    settings = json.dumps({"init": {"theme": "base", "themeVariables": _COLOURS, "gantt": sizes}})[1:-1].replace('"init"', "init", 1)
    lines = [f"%%{{{settings}}}%%", "gantt", "  dateFormat x", "  axisFormat %H:%M:%S", f"  tickInterval {_tick(elapsed(steps))}"]
    for host in hosts:
        lines.append(f"  section {_plain(host)}")
        lines += [
            f"  {_plain(step.step)} {shown_seconds(step.seconds)} :{_STATUS[step.outcome]}{_milliseconds(step.start)}, "
            f"{max(_milliseconds(step.end), _milliseconds(step.start) + 1)}"
            for step in steps
            if step.host == host
        ]
    return "\n".join(lines)


def _tick(seconds: float) -> str:
    """The distance of the times below the chart, which else overlap."""
    return next((tick for tick, length in _TICKS.items() if seconds <= _MOST_TICKS * length), "6hour")


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _plain(text: str) -> str:
    """Text that Mermaid reads as a label: names of steps and hosts are letters, digits, dots and hyphens; anything else is replaced."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in ".-_") else "_" for letter in text)
