"""The arguments of `sixstack certificates` and `sixstack renew`."""

from __future__ import annotations

import argparse

import pytest

from cli.certificates import add_within
from cluster.vocabulary.parameters import MOST_DAYS


@pytest.mark.parametrize("text", ["soon", "-1", "1.5", "", "٣", "1_0", " 7", str(MOST_DAYS + 1), "9" * 5000])
def test_a_limit_that_is_no_number_of_days_is_a_usage_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says which numbers are possible."""
    parser = argparse.ArgumentParser()
    add_within(parser)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args([f"--within={text}"])
    assert ended.value.code == 2
    assert f"is not a whole number from 0 to {MOST_DAYS}" in capsys.readouterr().err


def test_the_limits_themselves_are_possible() -> None:
    """0: only what has expired."""
    parser = argparse.ArgumentParser()
    add_within(parser)
    assert [parser.parse_args(["--within", text]).within for text in ("0", str(MOST_DAYS))] == [0, MOST_DAYS]
