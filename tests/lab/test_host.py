"""What a host is told to be, and how it is started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cluster.vocabulary.families import Family
from lab.host import Machine, network_file, nspawn_argv
from lab.mounts import mount_points
from lab.state import BOTH, Lab

LAB = Lab(name="x", folder=Path("/labs/x"), index=0, hosts=3, families=BOTH, management=BOTH)


def test_a_host_of_both_families_has_both_addresses_and_default_routes() -> None:
    """The network file names them, and nothing is configured by itself."""
    text = network_file(Machine(LAB, 1))
    assert "Address=198.18.0.11/27\n" in text
    assert "Address=fd9c:5a17:e0b4::11/64\n" in text
    assert text.count("Gateway=") == 2
    assert "DHCP=no\nIPv6AcceptRA=no\n" in text


def test_a_host_of_ipv6_alone_has_no_ipv4_at_all() -> None:
    """No IPv4 address and no IPv4 gateway are in its network file, nor one that is made up (link-local)."""
    text = network_file(Machine(replace(LAB, families=(Family.IPV6,)), 2))
    assert "198.18" not in text
    assert "LinkLocalAddressing=ipv6\n" in text
    assert text.count("[Address]") == 1


def test_the_machines_modules_are_shown_only_where_there_are_some() -> None:
    """/lib/modules is bound into the host, read-only, on a machine that has it."""
    assert "--bind-ro=/lib/modules" in nspawn_argv(Machine(LAB, 1), devices=[], modules=Path("/lib/modules"))
    assert not [word for word in nspawn_argv(Machine(LAB, 1), devices=[], modules=None) if "modules" in word]


def test_mount_points_are_read_in_mount_order_with_their_escapes_undone() -> None:
    """/proc/self/mountinfo writes a blank as \\040."""
    text = "22 27 0:21 / /proc rw,relatime - proc proc rw\n23 27 0:22 / /a\\040b rw,relatime shared:1 - tmpfs tmpfs rw\n"
    assert mount_points(text) == [Path("/proc"), Path("/a b")]
