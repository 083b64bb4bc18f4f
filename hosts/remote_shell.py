"""The command line that runs a script on a host: fixed text, whatever the script, so that no secret ever shows in `ps`.

    [sudo ...] timeout LIMIT /bin/sh -c '... say MARK; skip to MARK; read LENGTH bytes; are they whole?; eval them'

The script comes over standard input and its data right behind it. (`sh -s` would run the first half of a script whose second half was
lost with the connection, and dash reads ahead, so that the data would be lost too.) The text holds no quote, newline, backslash or `!`:
sshd hands it to the user's login shell, which may be a csh or a fish.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from hosts.privilege import Elevation, Privilege

TIMED_OUT = 124  # exit code of timeout(1)
BROKEN = 97  # the script did not arrive whole
KILL_AFTER = 5  # seconds between SIGTERM and SIGKILL
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class RemoteShell:
    """One run of one script."""

    script: str
    limit: timedelta
    elevation: Elevation
    mark: str = field(default_factory=lambda: "sixstack-" + secrets.token_hex(8))

    @property
    def prompt(self) -> str:
        """What sudo prints when it wants its password."""
        return f"{self.mark}-password:"

    @property
    def _body(self) -> bytes:
        # the mark at the end is how the far side knows that nothing is missing
        return f"{self.script}\n#{self.mark}".encode()

    @property
    def payload(self) -> bytes:
        """What goes over standard input before the data, once the far shell runs."""
        return self.mark.encode() + b"\n" + self._body

    @property
    def command(self) -> str:
        """What sshd is asked to run."""
        seconds = max(1, math.ceil(self.limit.total_seconds()))
        inner = (
            f"PATH={_PATH}; LC_ALL=C; export PATH LC_ALL; echo {self.mark}; "
            f"until read -r l || exit {BROKEN}; [ x$l = x{self.mark} ]; do :; done; "
            f's=$(head -c {len(self._body)}); case "$s" in *{self.mark}) ;; *) exit {BROKEN};; esac; '
            'unset l; eval "$s"'
        )
        exec_word = "exec " if self.elevation.way is Privilege.ROOT else ""
        return f"{exec_word}{self.elevation.words(self.prompt)}timeout -k {KILL_AFTER} {seconds} /bin/sh -c '{inner}'"
