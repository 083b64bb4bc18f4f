"""Parsing the text of a cluster file: core YAML 1.2, and syntax faults with their lines."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from cluster.file.document import LONGEST, parse_document
from cluster.vocabulary.partial import UNREAD


class TestScalars:
    """Scalars of YAML 1.2: JSON types, otherwise strings."""

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("1:20", "1:20"),
            ("::1", "::1"),
            ("fd66::11", "fd66::11"),
            ("010", "010"),
            ("0x10", "0x10"),
            ("1_000", "1_000"),
            ("on", "on"),
            ("yes", "yes"),
            ("2026-01-01", "2026-01-01"),
            ("=", "="),
            ("12", 12),
            ("-3", -3),
            ("1.5", 1.5),
            ("true", True),
            ("null", None),
            ("", None),
            ("~", None),
            ('"12"', "12"),
            ("!!str 12", "12"),
            ("9" * 5000, "9" * 5000),
        ],
    )
    def test_a_scalar(self, text: str, value: object) -> None:
        """Sexagesimals, octals, dates and `on` are strings."""
        document = parse_document(f"a: {text}")
        assert document.problems == []
        assert document.data == {"a": value}
        assert isinstance(document.data, dict)
        assert type(document.data["a"]) is type(value)

    def test_field_names_are_strings(self) -> None:
        """A number as key becomes a string."""
        assert parse_document("{1: a, true: b, null: c}").data == {"1": "a", "true": "b", "null": "c"}

    def test_json_is_read(self) -> None:
        """Including tabs as indentation."""
        assert parse_document('{\n\t"a": ["b", 1, null, {"c": "\\u00e9\\/"}]\n}').data == {"a": ["b", 1, None, {"c": "é/"}]}

    def test_anchors_and_merges_are_followed(self) -> None:
        """Explicit values take precedence over merged values."""
        text = "base: &b {user: root, port: 22}\nhost: {<<: *b, port: 23}\nboth: {<<: [*b, {key: k, port: 1}]}"
        data = parse_document(text).data
        assert isinstance(data, dict)
        assert data["host"] == {"user": "root", "port": 23}
        assert data["both"] == {"user": "root", "port": 22, "key": "k"}


class TestFaults:
    """A syntax fault is a problem with its line, and the other lines are read."""

    @pytest.mark.parametrize(
        ("text", "line", "words"),
        [
            ('a: 1\nb: "x\nc: 2\n', 2, "quote"),
            ("a: 1\nb: [1, 2\nc: 2\n", 2, "["),
            ("a: 1\n\tb: 1\nc: 2\n", 2, "spaces"),
            ("a: 1\nb: @x\nc: 2\n", 2, "quotes"),
            ("a: 1\nb: x: y\nc: 2\n", 2, "quotes"),
            ("a: 1\nb: fd00::\nc: 2\n", 2, "quotes"),
            ("a: 1\nb: [fd00::]\nc: 2\n", 2, "quotes"),
            ("a: 1\nb 2\nc: 2\n", 2, "colon"),
            ("a: 1\nb:2\nc: 2\n", 2, "colon"),
            ("a: 1\n=======\nc: 2\n", 2, "colon"),
            ("a: 1\nb: *nobody\nc: 2\n", 2, "anchor"),
            ("a: 1\nb: \x07\nc: 2\n", 2, "remove"),
            ("a: 1\nb: x\u2028y\nc: 2\n", 2, "remove"),
            ("a: 1\r\nb: 'x\r\nc: 2\r\n", 2, "quote"),
        ],
    )
    def test_a_syntax_fault_does_not_affect_other_lines(self, text: str, line: int, words: str) -> None:
        """One problem, and the lines before and after are read."""
        document = parse_document(text)
        (problem,) = document.problems
        assert (problem.code, problem.path) == ("syntax", f"line {line}")
        assert words in problem.hint
        assert isinstance(document.data, dict)
        assert document.data["a"] == 1
        assert document.data["c"] == 2
        assert document.data.get("b", UNREAD) is UNREAD

    def test_duplicate_keys_are_a_fault(self) -> None:
        """The first value is kept, and both lines are reported."""
        document = parse_document("a: 1\nb: {c: 1}\nb: 2\n")
        (problem,) = document.problems
        assert (problem.code, problem.path) == ("duplicate-key", "b")
        assert "line 3" in problem.message
        assert "line 2" in problem.message
        assert document.data == {"a": 1, "b": {"c": 1}}

    def test_tags_are_a_fault(self) -> None:
        """Tags never construct objects."""
        assert [problem.code for problem in parse_document("a: !!python/object/apply:os.system [x]").problems] == ["unknown-tag"]

    @pytest.mark.parametrize("text", ["!unread", "!unread x", "!unread {}", "hosts: !unread", "hosts: !unread ''"])
    def test_the_unread_tag_in_a_file_is_a_fault(self, text: str) -> None:
        """Otherwise it would hide a missing value."""
        assert [problem.code for problem in parse_document(text).problems] == ["unknown-tag"]

    def test_two_documents_are_a_fault(self) -> None:
        """It is unclear which document is meant."""
        (problem,) = parse_document("---\na: 1\n---\na: 2\n").problems
        assert "one document" in problem.hint

    def test_an_alias_inside_its_anchor_is_a_fault(self) -> None:
        """The data would be infinite."""
        assert [problem.code for problem in parse_document("a: &x [*x]").problems] == ["too-deep"]

    def test_exponential_aliases_are_a_fault(self) -> None:
        """Nine lines that expand to 10^9 values (billion laughs) and would take hours."""
        names = "abcdefghij"
        lines = ["a: &a [" + ",".join(["x"] * 10) + "]"]
        lines += [f"{name}: &{name} [" + ",".join([f"*{before}"] * 10) + "]" for before, name in pairwise(names)]
        start = time.monotonic()
        assert [problem.code for problem in parse_document("\n".join(lines)).problems] == ["too-deep"]
        assert time.monotonic() - start < 60

    @pytest.mark.parametrize("text", ["[" * 5000, "a: " + "{b: " * 5000, "- " * 5000 + "x"])
    def test_deep_nesting_is_a_fault(self, text: str) -> None:
        """Before Python's recursion limit."""
        assert parse_document(text).problems

    def test_a_text_that_is_too_long_is_a_fault(self) -> None:
        """More than a million characters."""
        assert [problem.code for problem in parse_document("a" * (LONGEST + 1)).problems] == ["too-long"]


class TestBounds:
    """Depth, time and the number of problems have limits, which no input passes."""

    @pytest.mark.parametrize(
        "text", ["[" * 30_000, "{a: " * 30_000, "- " * 30_000 + "a", "x: &a " + "[" * 30_000], ids=lambda text: text[:6]
    )
    def test_deep_nesting_is_one_problem(self, text: str) -> None:
        """The composer of libyaml would end the process with SIGSEGV."""
        assert [problem.code for problem in parse_document(text).problems] == ["too-deep"]

    def test_a_forbidden_character_inside_a_name_drops_the_line(self) -> None:
        """A lone surrogate has no UTF-8, so PyYAML would raise UnicodeEncodeError."""
        document = parse_document("a\udcff: 1\nb: 2\n")
        assert [problem.code for problem in document.problems] == ["syntax"]
        assert document.data == {"b": 2}

    def test_a_long_text_with_many_faults_is_not_parsed_again_for_each(self) -> None:
        """Each parse of 1 MB takes half a second."""
        text = "".join(f"k{number}: v{number}\n" for number in range(60_000)) + "x: [a\n" * 60
        assert 1 < len(parse_document(text).problems) < 10
