"""Find the known name that is most similar to a misspelt name."""

from __future__ import annotations

from collections.abc import Iterable


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name with the fewest edits to `name`; None when there are too many edits for a typing error."""
    wanted = _normalized(name)
    measured = sorted((_edits(wanted, _normalized(candidate)), candidate) for candidate in known)
    if not measured or len(name) > 64:
        return None
    edits, candidate = measured[0]
    return candidate if edits <= max(1, min(len(wanted), len(candidate)) // 3) else None


def _normalized(name: str) -> str:
    # sshPort, ssh-port and SSH_PORT count as the same name
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")


def _edits(first: str, second: str) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment); 99 if the lengths differ by more than 3."""
    if abs(len(first) - len(second)) > 3:
        return 99
    two_above: list[int] = []
    above = list(range(len(second) + 1))
    for i, left in enumerate(first, start=1):
        row = [i]
        for j, right in enumerate(second, start=1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (left != right))
            if i > 1 and j > 1 and left == second[j - 2] and first[i - 2] == right:
                cost = min(cost, two_above[j - 2] + 1)
            row.append(cost)
        two_above, above = above, row
    return above[-1]
