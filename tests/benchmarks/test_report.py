"""A phase ends with the last of its steps, in both ways."""

from __future__ import annotations

from benchmarks.report import phases_of_marks, phases_of_records


def test_a_phase_of_the_flow_ends_with_its_last_step() -> None:
    """The preparation ends with the slowest host."""
    steps = [{"step": "prepare-host", "host": host, "start": 1.0, "end": end} for host, end in (("a", 9.5), ("b", 12.0), ("c", 8.0))]
    assert phases_of_records(steps) == {"prepared (all hosts)": 12.0}


def test_a_phase_of_the_script_ends_with_its_last_mark() -> None:
    """The join phase ends with the last worker."""
    marks = {"prepared a": 3.0, "init": 9.0, "joined b": 11.0, "joined c": 12.5, "joined": 13.0}
    assert phases_of_marks(marks) == {"prepared (all hosts)": 3.0, "control plane initialized": 9.0, "workers joined": 12.5}
