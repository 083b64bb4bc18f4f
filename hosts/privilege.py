"""How a script becomes root on a host, and how a password for sudo never becomes part of a script.

`sudo -S` and a shell that reads its script both read standard input. With NOPASSWD, or within minutes of another sudo, sudo reads
nothing: a password sent blindly would be the script's first line, run as a command, and stand in its errors. Hence

- what a host wants is found out once, with `sudo -k -n`: -k, as a remembered password must not look like NOPASSWD;
- where it wants a password, `-k -S` asks every time, with a prompt of ours, and the password is sent only after that prompt was seen;
- the script is sent only after the far shell has said that it runs, and that shell skips everything before a line of our choosing.
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
    """The way, and the password where it needs one."""

    way: Privilege
    password: str | None = None

    def __repr__(self) -> str:
        return f"Elevation({self.way.value})"

    def words(self, prompt: str) -> str:
        """What stands before a command; `prompt` is what sudo prints when it wants the password."""
        if self.way is Privilege.NO_PASSWORD:
            return "sudo -k -n -- "
        if self.way is Privilege.PASSWORD:
            return f"sudo -k -S -p {prompt} -- "
        return ""


# run as the login itself; one line, as `timeout` is what every later command starts with too
PROBE = """
if [ "$(id -u)" = 0 ]; then echo root; exit; fi
said=$(sudo -k -n -- timeout 10 id -u 2>&1 </dev/null)
if [ "$said" = 0 ]; then echo free; else echo "asks $said"; fi
"""


def read_probe(printed: str) -> tuple[Privilege, str]:
    """What PROBE found, and what sudo said where it wants a password (or is not there)."""
    word, _, said = printed.strip().partition(" ")
    way = {"root": Privilege.ROOT, "free": Privilege.NO_PASSWORD}.get(word, Privilege.PASSWORD)
    return way, " ".join(said.split())[-200:]
