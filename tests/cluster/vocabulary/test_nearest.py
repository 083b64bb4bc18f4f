"""The known name that a misspelt one most likely means."""

import pytest

from cluster.vocabulary.nearest import nearest_name

KNOWN = ("name", "stack", "hosts", "host_key", "kubernetes_version", "addresses")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("nam", "name"), ("stakc", "stack"), ("hostKey", "host_key"), ("kubernetes-version", "kubernetes_version"), ("adresses", "addresses")],
)
def test_slips_are_understood(written: str, meant: str) -> None:
    """A letter lost, doubled or swapped, and other ways to join words."""
    assert nearest_name(written, KNOWN) == meant


@pytest.mark.parametrize("written", ["", "x", "password", "colour", "n" * 10000])
def test_other_words_are_not_guessed_at(written: str) -> None:
    """A wrong proposal is worse than none."""
    assert nearest_name(written, KNOWN) is None
