"""A separate lab for each module of these tests, beside other labs of this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import LABS


@pytest.fixture(scope="module")
def own_lab() -> Iterator[str]:
    """The name of a lab that exists only during the tests of the module."""
    from lab import hosts

    name = f"{LABS}-l"
    hosts.down(name)
    yield name
    hosts.down(name)
