"""How a script runs as root on a host, without the sudo password ever becoming part of a script.

`sudo -S` and a shell that reads its script both read standard input. With NOPASSWD, or within minutes of another sudo, sudo reads
nothing: a password that was sent anyway would be the first line of the script, would run as a command, and would appear in its errors. Hence

- `sudo -k -n` finds out once what a host requires. With -k, a cached password does not look like NOPASSWD.
- Where sudo requires a password, `-k -S` asks each time with our own prompt. The password is sent only after that prompt was printed.
- The script is sent only after the remote shell has reported its start. That shell skips everything before a marker line.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Privilege(StrEnum):
    """How commands become root."""

    ROOT = "root"  # the login is root already
    NO_PASSWORD = "sudo without a password"
    PASSWORD = "sudo with a password"


@dataclass(frozen=True, slots=True)
class Elevation:
    """The kind of privilege, and the password if sudo requires one."""

    privilege: Privilege
    password: str | None = None

    def __repr__(self) -> str:
        return f"Elevation({self.privilege.value})"

    def words(self, prompt: str) -> str:
        """The prefix of a command; sudo prints `prompt` when it requires the password."""
        if self.privilege is Privilege.NO_PASSWORD:
            return "sudo -k -n -- "
        if self.privilege is Privilege.PASSWORD:
            return f"sudo -k -S -p {prompt} -- "
        return ""


# Runs as the login user, with `timeout` as in every later command. Only a line of `id` itself counts: sudo warns on stderr ("unable to
# resolve host") without a refusal, and prints the messages of PAM on stdout.
PROBE = """
if [ "$(id -u)" = 0 ]; then echo root; exit; fi
if said=$(sudo -k -n -- timeout 10 id -u </dev/null) && printf '%s\\n' "$said" | grep -qx 0; then echo free; else echo asks; fi
"""


def read_probe(printed: str, warned: str) -> tuple[Privilege, str]:
    """The result of PROBE from its two streams, and the message of sudo where a password is required or sudo is missing."""
    privilege = {"root": Privilege.ROOT, "free": Privilege.NO_PASSWORD}.get(printed.strip(), Privilege.PASSWORD)
    return privilege, " ".join(warned.split())[-200:] if privilege is Privilege.PASSWORD else ""
