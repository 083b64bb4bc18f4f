"""Values in messages."""

import math

import pytest

from cluster.vocabulary.quoting import quoted


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        (22, "22"),
        (math.inf, "inf"),
        ("a\nb", '"a\\nb"'),
        ({"password": "hunter2"}, "a mapping"),
        ([1, 2], "a list of 2"),
        (b"x", "a value of type bytes"),
        ("http://me:hunter2@proxy", '"http://...@proxy"'),
        ("me:hunter2@proxy:3128", '"...@proxy:3128"'),
        (f"http://me:{'hunter2' * 50}@proxy", '"http://...@proxy"'),
        ("pause:3.10@sha256:0123", '"pause:3.10@sha256:0123"'),
        ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
        ("\ud800", '"\\ud800"'),
    ],
)
def test_a_value(value: object, text: str) -> None:
    """Short, on one line, without secrets."""
    assert quoted(value) == text


def test_a_number_too_long_to_print_is_not_printed() -> None:
    """Python refuses to print more than 4300 digits."""
    assert quoted(10**5000) == "a number of more than 20 digits"


def test_a_long_string_is_truncated() -> None:
    """At most 60 characters, also where escapes take the place of characters; no escape is cut."""
    assert len(quoted("x" * 10000)) < 70
    assert quoted("\U00018cd6" * 60) == '"' + "\\U00018cd6" * 5 + '..."'
    assert quoted("x" * 60) == f'"{"x" * 60}"'
