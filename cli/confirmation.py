"""The option --confirm: the name of the cluster, written again. The flow checks it too; here it is refused before a run starts."""

from __future__ import annotations

import sys


def not_confirmed(confirm: str, cluster: str) -> bool:
    """Whether the confirmation is not the name of the cluster; says so on standard error."""
    if confirm == cluster:
        return False
    print(f"sixstack: --confirm {confirm!r} is not the name of the cluster: write --confirm {cluster}. No run was started", file=sys.stderr)
    return True
