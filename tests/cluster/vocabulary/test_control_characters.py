"""Control characters of a host, and the text that stays without them."""

from __future__ import annotations

import pickle
import unicodedata

import pytest

from cluster.vocabulary.control_characters import without_control
from cluster.vocabulary.errors import CannotApply, HostError, HostUnreachable, StepFailed
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.redaction import redact

OVERRIDES = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
CONTROL = [chr(code) for code in (*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0), *OVERRIDES)]
HOSTILE = "\x1b]0;title\x07\x1b[2Jcl\x9b1mean\u202e"
HARMLESS = "?]0;title?cl?1mean?"


def test_each_control_character_becomes_a_question_mark() -> None:
    """Everything of Unicode's category Cc except tab and line feed, and the characters that change the order of a line."""
    assert {letter for letter in map(chr, range(0x110000)) if unicodedata.category(letter) == "Cc"} - {"\t", "\n"} <= set(CONTROL)
    assert [without_control(f"a{letter}b") for letter in CONTROL] == ["a?b"] * len(CONTROL)


@pytest.mark.parametrize("text", ["", "plain", "a\tb\nc\n", "é€😀 ابجد", "\u200b\xa0\u2028"])
def test_other_text_stays(text: str) -> None:
    """Tabs, lines, and every script."""
    assert without_control(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("one\r\ntwo\rthree", "one\ntwo?three"),
        ("\x1b[" + "0" * 1000, "?[" + "0" * 1000),
        (HOSTILE, HARMLESS),
    ],
)
def test_colours_are_removed_as_a_whole(text: str, expected: str) -> None:
    """What is left of another sequence is text."""
    assert without_control(text) == expected


def test_a_secret_with_a_colour_inside_is_found() -> None:
    """Removed in this order; in the other, the secret would come together after the search."""
    assert redact(without_control("the word is can\x1b[0mary"), ["canary"]) == "the word is ***"


def test_no_error_contains_control_characters() -> None:
    """Neither in its text nor in the parts that others quote; also after the way through another process."""
    errors = (HostError("n1", HOSTILE, HOSTILE), HostUnreachable("n1", HOSTILE, HOSTILE), StepFailed("n1", HOSTILE, HOSTILE, output="x"))
    for error in errors:
        assert str(error) == f"n1: {HARMLESS}. {HARMLESS}"
        assert (error.found, error.hint) == (HARMLESS, HARMLESS)
    assert str(pickle.loads(pickle.dumps(errors[0]))) == str(errors[0])
    refused = CannotApply([Problem("a-code", "hosts/n1", HOSTILE, "a hint")])
    assert HARMLESS in str(refused)
    assert "\x1b" not in str(refused)
