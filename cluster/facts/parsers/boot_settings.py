"""What sets kernel settings at the next boot: part boot-settings."""

from __future__ import annotations

from collections import defaultdict

from cluster.facts.host_facts import BootSettings, SysctlFile, SysctlLine
from cluster.facts.parsers.sections import pairs, values, whole_number

# of several files with one name, systemd reads the one of the first folder
_FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
# what ifupdown sets without an option accept_ra (inet6.defn of ifupdown)
_ACCEPT_RA_OF_METHOD = {"auto": 1, "dhcp": 1}


def boot_settings(text: str) -> BootSettings:
    """Part boot-settings."""
    lines: dict[str, list[SysctlLine]] = defaultdict(list)
    for entry in text.splitlines():
        path, found, line = entry.partition(".conf:")
        if found and path.startswith("/") and (setting := sysctl_line(line)) is not None:
            lines[f"{path}.conf"].append(setting)

    def read(entry: str) -> SysctlFile:
        path, _, target = entry.partition(" ")
        return SysctlFile(path, target, tuple(lines[path]))

    return BootSettings(
        in_order(tuple(read(entry) for entry in values(text, "file"))),
        tuple(read(entry) for entry in values(text, "late")),
        _ifupdown(values(text, "ifupdown")),
    )


def in_order(files: tuple[SysctlFile, ...]) -> tuple[SysctlFile, ...]:
    """The files in the order of systemd-sysctl: sorted by name, whatever their folder. An earlier folder hides a file of the same name (sysctl.d(5))."""
    by_name: dict[str, SysctlFile] = {}
    for file in sorted(files, key=lambda file: _FOLDERS.index(file.path.rpartition("/")[0])):
        by_name.setdefault(file.path.rpartition("/")[2], file)
    return tuple(file for _, file in sorted(by_name.items()))


def sysctl_line(line: str) -> SysctlLine | None:
    """`KEY = VALUE`, `-KEY = VALUE` (a failure is ignored) or `-KEY` (excluded from wildcards), in the syntax of sysctl.d(5). None for other text."""
    if not line.strip() or line.lstrip()[0] in "#;":
        return None
    key, equals, value = line.partition("=")
    ignored, bare = key.strip().startswith("-"), key.strip().removeprefix("-").strip()
    if not bare or not (equals or ignored):
        return None
    return SysctlLine(with_slashes(bare), value.strip() if equals else None)


def with_slashes(key: str) -> str:
    """net.ipv4.conf.eth0/100.forwarding as net/ipv4/conf/eth0.100/forwarding: the first separator of a key decides what separates."""
    first = next((character for character in key if character in "./"), "/")
    return key if first == "/" else key.translate(str.maketrans("./", "/."))


def _ifupdown(lines: tuple[str, ...]) -> dict[str, int]:
    """accept_ra by link, from lines `iface LINK inet6 METHOD` and `accept_ra VALUE`."""
    found: dict[str, int] = {}
    current = None
    for word, rest in (pair for line in lines for pair in pairs(line)):
        if word == "iface":
            link, family, method = (*rest.split(), "", "", "")[:3]
            current = link if family == "inet6" else None
            if current and method in _ACCEPT_RA_OF_METHOD:
                found[current] = _ACCEPT_RA_OF_METHOD[method]
        elif word == "accept_ra" and current and rest.isdecimal():
            found[current] = whole_number(rest)
    return found
