"""The error of an invalid bundle."""

from __future__ import annotations

from cluster.vocabulary.errors import SpecError


class BundleFault(SpecError):
    """A bundle, its manifest or its sources are invalid; `problems` lists all problems."""

    headline = "the bundle has problems"
