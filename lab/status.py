"""The state of a lab as a table and as data."""

from __future__ import annotations

from typing import Any

from lab.state import Lab, LabHost


def as_data(lab: Lab, hosts: tuple[LabHost, ...]) -> dict[str, Any]:
    """The output of `sixstack lab status --output json`. It has the path of the key, but no secrets."""
    return {
        "lab": lab.name,
        "families": list(lab.families),
        "management": list(lab.management),
        "debian": lab.debian,
        "bridge": lab.network.bridge,
        "ranges": [str(lab.network.range(family)) for family in lab.families],
        "key_file": str(lab.key_file),
        "hosts": [
            {"name": host.name, "addresses": [str(address) for address in host.addresses], "host_key": host.host_key, "state": host.state}
            for host in hosts
        ],
    }


def as_table(lab: Lab, hosts: tuple[LabHost, ...]) -> str:
    """The same as a table for a terminal."""
    rows = [
        ("NAME", "STATE", "ADDRESSES", "SSH HOST KEY"),
        *((host.name, host.state, " ".join(map(str, host.addresses)), host.host_key) for host in hosts),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[3]]) for row in rows]
    return "\n".join([*lines, "", f"Log in with: ssh -i {lab.key_file} root@{hosts[0].addresses[0]}"])
