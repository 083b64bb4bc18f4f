"""The check of a whole document, as the tests of rules have it."""

from tests.cluster.rules.conftest import check

__all__ = ["check"]
