"""A lab of one's own for each module of these tests, beside any other lab of this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import LABS


@pytest.fixture(scope="module")
def own_lab() -> Iterator[str]:
    """The name of a lab that is not there before the module's tests and not after them."""
    from lab import hosts

    name = f"{LABS}-l"
    hosts.down(name)
    yield name
    hosts.down(name)
