"""How a script runs as root on a host, without the sudo password ever becoming part of a script.

`sudo -S` and a shell that reads its script both read standard input. With NOPASSWD, or within minutes of another sudo, sudo reads
nothing: a password that was sent anyway would be the first line of the script, would run as a command, and would appear in its errors. Hence

- `sudo -k -n` finds out once what a host requires. With -k, a cached password does not look like NOPASSWD.
- Where sudo requires a password, `-k -S` asks each time with our own prompt. The password is sent only after that prompt was printed.
- After a password, the script is sent only when the remote shell has reported its start. That shell skips everything before a marker line.

sudo can also record what passes through it (`log_input`, `log_output`). Our input and output have join tokens, private keys and kubeconfigs, so a
login whose sudo records them is refused before the first of them is sent.
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
            return "env LC_ALL=C sudo -k -n -- "
        if self.privilege is Privilege.PASSWORD:
            return f"env LC_ALL=C sudo -k -S -p {prompt} -- "
        return ""


# Runs as the login user, with `timeout` as in every later command. Only a line of `id` itself counts: sudo warns on stderr ("unable to
# resolve host") without a refusal, and prints the messages of PAM on stdout.
PROBE = """
if [ "$(id -u)" = 0 ]; then echo root; exit; fi
if said=$(sudo -k -n -- timeout 10 id -u </dev/null) && printf '%s\\n' "$said" | grep -qx 0; then echo free; else echo asks; fi
"""


# Runs as root through sudo. Where sudo records a stream, it puts a pipe of its own between that stream and the command, whichever of its
# settings, plugins or log servers asks for the record. Without a sudo above it, this shell has replaced sudo, which then records nothing.
RECORDED = """
process=$$ outer=
while process=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$process/status") && [ "${process:-0}" -gt 1 ]; do
    case $(cat "/proc/$process/comm") in
        sudo*) outer=$process ;;
        *) [ -z "$outer" ] || break ;;
    esac
done
if [ -n "$outer" ]; then
    for stream in 0 1 2; do
        [ "$(readlink "/proc/$$/fd/$stream")" = "$(readlink "/proc/$outer/fd/$stream")" ] || echo "$stream"
    done
fi
"""


def read_probe(printed: str, warned: str) -> tuple[Privilege, str]:
    """The result of PROBE from its two streams, and the message of sudo where a password is required or sudo is missing."""
    privilege = {"root": Privilege.ROOT, "free": Privilege.NO_PASSWORD}.get(printed.strip(), Privilege.PASSWORD)
    return privilege, " ".join(warned.split())[-200:] if privilege is Privilege.PASSWORD else ""


def read_recorded(printed: str) -> tuple[str, ...]:
    """The sudo settings that record streams of our scripts, from the output of RECORDED."""
    return tuple(dict.fromkeys("log_input" if stream == "0" else "log_output" for stream in printed.split()))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why sudo runs nothing for a user, and what the owner of the host can do."""

    found: str
    hint: str


def sudoers_entry(user: str, privilege: Privilege, *tags: str) -> str:
    """The line that allows a user what sixstack requires of sudo."""
    words = (*(("NOPASSWD:",) if privilege is Privilege.NO_PASSWORD else ()), *tags, "ALL")
    return f"{user} ALL=(root) {' '.join(words)}"


def explain(message: str, user: str) -> Refusal | None:
    """The reason in a message of sudo in the C locale, if the password is not the reason."""
    if "must have a tty" in message:
        return Refusal(
            f"sudo runs commands of user {user} only at a terminal (requiretty)", f"Add `Defaults:{user} !requiretty` to sudoers."
        )
    if any(words in message for words in ("not in the sudoers file", "not allowed to", "may not run sudo")):
        entry = sudoers_entry(user, Privilege.NO_PASSWORD)
        return Refusal(
            f"sudo does not allow user {user} to become root", f"Add `{entry}` at the end of sudoers, or the same line without `NOPASSWD:`."
        )
    if "failed to run command" in message:
        entry = sudoers_entry(user, Privilege.NO_PASSWORD, "EXEC:")
        return Refusal(
            f"sudo does not allow a command of user {user} to start other programs (noexec)",
            f"Add `{entry}` at the end of sudoers, or the same line without `NOPASSWD:`.",
        )
    if "sudo: not found" in message:
        return Refusal(f"user {user} is not root, and the host has no sudo", "Install sudo, or use the user root.")
    return None


def recording(settings: tuple[str, ...], user: str, privilege: Privilege) -> Refusal:
    """The refusal of a login whose sudo records streams."""
    tags = {"log_input": "NOLOG_INPUT:", "log_output": "NOLOG_OUTPUT:"}
    entry = sudoers_entry(user, privilege, *(tags[setting] for setting in settings))
    return Refusal(
        f"sudo records the input or output of commands of user {user} ({', '.join(settings)}), and keys and tokens of the cluster would be in its log",
        f"Let the last entry for this user in sudoers be `{entry}`.",
    )
