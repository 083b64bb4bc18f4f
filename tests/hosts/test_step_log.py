"""The log of a detached step: split into lines, of which each is bounded."""

from __future__ import annotations

from hosts.detached import _KEEP, _LONGEST_LINE, _Log


def lines_of(*parts: bytes) -> tuple[_Log, list[str]]:
    """The lines of a log that arrives in parts, after its headline."""
    lines: list[str] = []
    log = _Log(lines.append)
    log.take(b"star")
    log.take(b"ted 1\n")
    for part in parts:
        log.take(part)
    log.end()
    return log, lines


def test_lines_are_those_of_the_step_wherever_the_parts_end() -> None:
    """Inside a line, at its end, several lines in one part."""
    log, lines = lines_of(b"first\nsec", b"ond", b"\n", b"\nthird\r\nlast")
    assert lines == ["first", "second", "", "third", "last"]
    assert (log.headline, log.last_line, log.text) == ("started 1", "last", "first\nsecond\n\nthird\r\nlast")


def test_a_line_without_an_end_is_bounded() -> None:
    """The next line is whole again."""
    log, lines = lines_of(*[b"a" * 50_000] * 10, b"b\nnext\n")
    assert [line[: _LONGEST_LINE + 1] for line in lines] == ["a" * _LONGEST_LINE + " ", "next"]
    assert log.size == 500_000 + len("b\nnext\n")


def test_the_end_of_a_long_log_is_kept() -> None:
    """And no more."""
    log, _ = lines_of(*[b"a" * 499_999 + b"\n"] * 7, b"end")
    assert len(log.text) == _KEEP
    assert log.text.endswith("\nend")
