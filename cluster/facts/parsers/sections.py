"""Cuts the facts script's output into its sections, and a section's `word rest` lines into pairs."""

from __future__ import annotations

from collections.abc import Iterator

MARKER = "@@ sixstack "


def sections_of(text: str) -> dict[str, str]:
    """Section name -> its text, in the script's order; what stands before the first marker (a login banner) is dropped."""
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        if line.startswith(MARKER):
            current = sections.setdefault(line.removeprefix(MARKER).strip(), [])
        else:
            current.append(line)
    return {name: "\n".join(lines).strip("\n") for name, lines in sections.items()}


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """Each line as its first word and the rest; empty lines are left out."""
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield word, rest.strip()


def values(text: str, word: str) -> tuple[str, ...]:
    """What follows `word` on each line that begins with it and says something."""
    return tuple(rest for first, rest in pairs(text) if first == word and rest)


def value(text: str, word: str) -> str | None:
    """What follows `word` where it stands first; None when it is not there or says nothing."""
    return next(iter(values(text, word)), None)


def number(text: str, word: str) -> int:
    """The number that follows `word`; ValueError when there is none."""
    digits = value(text, word)
    if digits is None or not digits.isdecimal():
        raise ValueError(f"{word} is {digits!r}, not a number")
    return int(digits)
