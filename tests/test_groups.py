"""The groups of tests that run beside each other (GROUPS of tests/conftest.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import GROUPS

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("place", [place for places in GROUPS.values() for place in places])
def test_a_place_of_a_group_exists(place: str) -> None:
    """Tests of a class that was renamed would silently run in another group."""
    path, _, name = place.partition("::")
    assert (ROOT / path).exists()
    assert not name or f"class {name}:" in (ROOT / path).read_text(encoding="utf-8")
