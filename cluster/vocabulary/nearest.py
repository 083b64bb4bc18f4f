"""The known name that a misspelt one most likely means."""

from __future__ import annotations

from collections.abc import Iterable


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` with the fewest edits to `name`, when those are few enough for a slip of the hand; else None."""
    wanted = _bare(name)
    measured = sorted((_edits(wanted, _bare(candidate)), candidate) for candidate in known)
    if not measured or len(name) > 64:
        return None
    edits, candidate = measured[0]
    return candidate if edits <= max(1, min(len(wanted), len(candidate)) // 3) else None


def _bare(name: str) -> str:
    # sshPort, ssh-port and SSH_PORT are one name to the person who wrote it
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")


def _edits(one: str, other: str) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment); long texts are not compared."""
    if abs(len(one) - len(other)) > 3:
        return 99
    before: list[int] = []
    above = list(range(len(other) + 1))
    for i, left in enumerate(one, start=1):
        row = [i]
        for j, right in enumerate(other, start=1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]
