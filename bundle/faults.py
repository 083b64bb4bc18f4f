"""The error of a bundle that is not what it should be."""

from __future__ import annotations

from cluster.vocabulary.errors import SpecError


class BundleFault(SpecError):
    """A bundle, its manifest or its sources are wrong; `problems` lists everything at once."""

    def __str__(self) -> str:
        return "\n".join([f"the bundle has problems ({len(self.problems)}):", *(f"- {problem}" for problem in self.problems)])
