"""Find the known name that is most similar to a misspelt name."""

import pytest

from cluster.vocabulary.nearest import nearest_name

KNOWN = ("name", "stack", "hosts", "host_key", "kubernetes_version", "addresses")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("nam", "name"), ("stakc", "stack"), ("hostKey", "host_key"), ("kubernetes-version", "kubernetes_version"), ("adresses", "addresses")],
)
def test_typing_errors_are_recognised(written: str, meant: str) -> None:
    """A missing, duplicate or swapped letter, and other word separators."""
    assert nearest_name(written, KNOWN) == meant


@pytest.mark.parametrize("written", ["", "x", "password", "colour", "n" * 10000])
def test_other_words_have_no_proposal(written: str) -> None:
    """No proposal is better than a wrong one."""
    assert nearest_name(written, KNOWN) is None
