"""The command line that runs a script on a host: a fixed text for every script, so that `ps` shows no secret.

    exec [sudo ...] timeout LIMIT /bin/sh -c '... print MARK; skip to MARK; read LENGTH bytes; check that they are complete; eval them'

The script arrives on standard input, followed by its data. (`sh -s` would run the first half of a script whose second half was
lost with the connection, and dash reads ahead, so that the data would be lost too.) The text has no quote, newline, backslash or `!`,
because sshd passes it to the user's login shell, which may be csh or fish. The login shell also runs start files of the user. They may print,
set a umask, change the folder, redefine `sudo`, or run something at the shell's end: `exec` and the first words of the script undo that.
What they print stands before MARK, which both streams have. If they read standard input, the script arrives incomplete and does not run.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from hosts.privilege import Elevation

TIMED_OUT = 124  # exit code of timeout(1)
BROKEN = 97  # the script did not arrive complete
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
        """The text that sudo prints when it requires the password."""
        return f"{self.mark}-password:"

    @property
    def incomplete(self) -> str:
        """The text that the remote shell prints on standard error when the script did not arrive complete."""
        return f"{self.mark}-incomplete"

    @property
    def _body(self) -> bytes:
        # the mark at the end shows the remote shell that the script is complete
        return f"{self.script}\n#{self.mark}".encode()

    @property
    def payload(self) -> bytes:
        """The bytes to send on standard input before the data, after the start of the remote shell."""
        return self.mark.encode() + b"\n" + self._body

    @property
    def command(self) -> str:
        """The command for sshd."""
        seconds = max(1, math.ceil(self.limit.total_seconds()))
        broken = f"{{ echo {self.incomplete} >&2; exit {BROKEN}; }}"
        inner = (
            f"umask 022; cd /; PATH={_PATH}; LC_ALL=C; export PATH LC_ALL; echo {self.mark}; echo {self.mark} >&2; "
            f'until read -r l || {broken}; [ "x$l" = x{self.mark} ]; do :; done; '
            f's=$(head -c {len(self._body)}); case "$s" in *{self.mark}) ;; *) {broken};; esac; '
            'unset l; eval "$s"'
        )
        return f"exec {self.elevation.words(self.prompt)}timeout -k {KILL_AFTER} {seconds} /bin/sh -c '{inner}'"
