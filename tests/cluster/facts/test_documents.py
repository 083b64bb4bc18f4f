"""Documents of the Kubernetes API, field by field."""

from __future__ import annotations

from cluster.facts.documents import differing_fields


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
