"""Programs that configure links: part link-managers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from cluster.facts.host_facts import LinkFile, LinkManagers
from cluster.facts.parsers.sections import values


def link_managers(text: str) -> LinkManagers:
    """Part link-managers. Part units says which of the programs run."""
    lines = [line for line in text.splitlines() if line.startswith("/")]
    return LinkManagers(nm_unmanaged=_unmanaged(lines), networkd_files=_networkd(values(text, "network-file"), lines))


def _unmanaged(lines: Iterable[str]) -> tuple[str, ...]:
    """The specifications of `unmanaged-devices`, and of devices with managed=0 (NetworkManager.conf(5))."""
    found: dict[str, tuple[str, ...]] = {}  # by section; unmanaged-devices has one value, which a later file replaces or extends
    matched: dict[str, tuple[str, ...]] = {}
    section = ""
    for line in lines:
        setting = line.partition(".conf:")[2].strip()
        if not setting:
            continue
        if setting.startswith("["):
            section = setting.strip("[]")
            continue
        key, _, value = setting.partition("=")
        name, specifications = key.rstrip(" +-"), tuple(entry for entry in re.split(r"[;,]\s*", value.strip()) if entry)
        if name == "unmanaged-devices":
            found["keyfile"] = (found.get("keyfile", ()) if key.rstrip().endswith("+") else ()) + specifications
        elif name == "match-device":
            matched[section] = specifications
        elif name == "managed" and value.strip().lower() in ("0", "false", "no", "off"):
            found[section] = matched.get(section, ())
    return tuple(dict.fromkeys(entry for specifications in found.values() for entry in specifications))


def _networkd(paths: tuple[str, ...], lines: Iterable[str]) -> tuple[LinkFile, ...]:
    """The files sorted by name, whatever their folder; of several files with one name, the first counts (systemd.network(5))."""
    matches: dict[str, list[tuple[str, str]]] = defaultdict(list)
    unmanaged: set[str] = set()
    section = ""
    for line in lines:
        path, _, setting = line.partition(".network:")
        setting = setting.strip()
        if not setting:
            continue
        if setting.startswith("["):
            section = setting.strip("[]")
            continue
        key, _, value = (part.strip() for part in setting.partition("="))
        if section == "Match":
            matches[f"{path}.network"].append((key, value))
        elif key == "Unmanaged" and value.lower() in ("1", "yes", "true", "on"):
            unmanaged.add(f"{path}.network")
    by_name: dict[str, str] = {}
    for path in paths:
        by_name.setdefault(path.rpartition("/")[2], path)
    return tuple(LinkFile(path, tuple(matches[path]), path in unmanaged) for _, path in sorted(by_name.items()))
