"""Documents of the Kubernetes API, field by field."""

from __future__ import annotations

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.facts.documents import differing_fields

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.dates()
KEYS = st.text() | st.integers() | st.none() | st.dates()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)


def test_equal_documents_have_no_difference() -> None:
    """Objects of a list are matched by their name."""
    document = {"a": [{"name": "x", "v": 1}, {"name": "y"}], "b": {"c": None}}
    assert list(differing_fields(document, {**document, "a": document["a"][::-1]})) == []  # type: ignore[index]


def test_each_field_that_differs_has_its_path() -> None:
    """Changed, added and removed; a list without names is one value."""
    expected = {"data": {"a.json": "{}", "b": "1"}, "items": [{"name": "x", "v": 1}], "list": [1, 2]}
    actual = {"data": {"a.json": "{ }"}, "items": [{"name": "x", "v": 2}, {"name": "z"}], "list": [2, 1], "more": True}
    assert list(differing_fields(expected, actual)) == [
        ("data.a.json", "{}", "{ }"),
        ("data.b", "1", "nothing"),
        ("items[x].v", "1", "2"),
        ("items[z]", "nothing", '{"name": "z"}'),
        ("list", "[1, 2]", "[2, 1]"),
        ("more", "nothing", "true"),
    ]


def test_a_long_value_is_shortened() -> None:
    """And stays on one line."""
    ((_, expected, actual),) = differing_fields({"a": "x" * 1000}, {"a": "line\nline"})
    assert len(expected) < 80
    assert "\n" not in actual


@settings(max_examples=200, deadline=None)
@given(VALUES, VALUES)
def test_any_two_documents_can_be_compared(expected: object, actual: object) -> None:
    """Whatever YAML has. Values that are printed are printable; equal documents have no difference, others have one."""
    assert list(differing_fields(expected, expected)) == []
    found = list(differing_fields(expected, actual))
    assert not found or expected != actual
    assert all(text.isprintable() and len(text) <= 120 for _, *texts in found for text in texts)


def test_a_date_is_a_value_and_a_key() -> None:
    """YAML reads 2026-11-26 as one."""
    day = date(2026, 11, 26)
    assert list(differing_fields({day: day}, {})) == [("2026-11-26", '"2026-11-26"', "nothing")]
