"""The logins of machines: one `SSH credential` block for each distinct login."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cluster.vocabulary.credentials import Credential

_LONGEST_BLOCK_NAME = 63


@dataclass(frozen=True, slots=True)
class Login:
    """The content of a block and its user; `repr` shows no secret."""

    block: str
    user: str
    credential: Credential


@dataclass
class Logins:
    """Gives each distinct login a block name: CLUSTER-USER, with a number if a user has several logins."""

    cluster: str
    found: dict[tuple[str, Credential], Login] = field(default_factory=dict)

    def block(self, user: str, credential: Credential) -> str:
        """The name of the block of this login."""
        if (user, credential) not in self.found:
            bare = re.sub(r"[^a-z0-9]+", "-", user.lower()).strip("-") or "user"
            stem = f"{self.cluster}-{bare}"[: _LONGEST_BLOCK_NAME - 4].rstrip("-")
            used = {login.block for login in self.found.values()}
            names = (stem, *(f"{stem}-{number}" for number in range(2, len(used) + 3)))
            name = next(name for name in names if name not in used)
            self.found[user, credential] = Login(name, user, credential)
        return self.found[user, credential].block
