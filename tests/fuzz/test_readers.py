"""The readers survive every input. `make test-long` reads more of them; tests/fuzz/run.py reads for hours."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import BYTES, STRUCTURE

_ALL = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


def _read_structure(name: str, count: int) -> None:
    make, read = STRUCTURE[name]

    @settings(max_examples=count, deadline=None, suppress_health_check=_ALL)
    @given(st.randoms(use_true_random=False))
    def run(random: Random) -> None:
        read(make(random))

    run()


def _read_bytes(name: str, count: int) -> None:
    make, read = BYTES[name]
    for number in range(count):
        read(make(Random(number)))


@pytest.mark.parametrize("name", STRUCTURE)
def test_documents_that_are_almost_right(name: str) -> None:
    """Hypothesis chooses what is wrong, and finds the smallest wrong document."""
    _read_structure(name, 40)


@pytest.mark.parametrize("name", BYTES)
def test_damaged_texts(name: str) -> None:
    """The number of the input is the seed, so a failure is repeatable."""
    _read_bytes(name, 60)


@pytest.mark.long
@pytest.mark.parametrize("name", STRUCTURE)
def test_many_documents_that_are_almost_right(name: str) -> None:
    """A minute for all."""
    _read_structure(name, 1500)


@pytest.mark.long
@pytest.mark.parametrize("name", BYTES)
def test_many_damaged_texts(name: str) -> None:
    """A minute for all."""
    _read_bytes(name, 1500)
