"""The error of an invalid bundle."""

from __future__ import annotations

from cluster.vocabulary.errors import SpecError


class BundleFault(SpecError):
    """A bundle, its manifest or its sources are invalid; `problems` lists all problems."""

    def __str__(self) -> str:
        return "\n".join([f"the bundle has problems ({len(self.problems)}):", *(f"- {problem}" for problem in self.problems)])
