"""Detection of operating systems, and their hints."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cluster.facts.host_facts import HostFacts
from cluster.operating_systems.detection import OPERATING_SYSTEMS, operating_system
from cluster.operating_systems.protocol import OperatingSystem

Make = Callable[..., HostFacts]

# what templates/facts/resources.sh.j2 and the rules ask for
COMMANDS = (
    "ip",
    "mount",
    "cp",
    "losetup",
    "systemctl",
    "systemd-run",
    "flock",
    "sha256sum",
    "timeout",
    "tar",
    "gzip",
    "nft",
    "perl",
    "modprobe",
)


@pytest.mark.parametrize(
    ("os_ids", "title"),
    [
        (("debian",), "Debian"),
        (("ubuntu", "debian"), "Ubuntu"),
        (("linuxmint", "ubuntu", "debian"), "Ubuntu"),
        (("raspbian", "debian"), "Debian"),
        (("fedora",), "Red Hat"),
        (("rocky", "rhel", "centos", "fedora"), "Red Hat"),
        (("alpine",), "unknown"),
        ((), "unknown"),
    ],
)
def test_the_operating_system_is_detected_by_id_and_id_like(some_facts: Make, os_ids: tuple[str, ...], title: str) -> None:
    """ID and ID_LIKE as these distributions write them in /etc/os-release."""
    assert operating_system(some_facts(1, os_ids=os_ids)).title == title


def test_hints_for_an_unknown_system_have_commands() -> None:
    """The package manager is unknown."""
    unknown = operating_system(None)
    assert "ip, tar" in unknown.install_hint(["ip", "tar"])
    assert "docker-ce" in unknown.remove_hint("docker-ce")
    assert unknown.kernel_modules_hint == ""


def test_each_package_is_listed_once(some_facts: Make) -> None:
    """Several commands can be in one package. The default is coreutils."""
    debian = operating_system(some_facts(1, os_ids=("debian",)))
    assert debian.install_hint(["mount", "losetup", "ip", "cp", "timeout"]) == "`apt-get install coreutils iproute2 mount`"
    assert "`apt-get purge docker-ce`" in debian.remove_hint("docker-ce")


def test_package_names_of_other_systems(some_facts: Make) -> None:
    """iproute2 is iproute there, and perl comes without its modules; a module is in a package of its own on Ubuntu."""
    rocky = operating_system(some_facts(1, os_ids=("rocky", "rhel", "centos", "fedora")))
    assert rocky.install_hint(["ip", "perl"]) == "`dnf install iproute perl-Errno perl-Fcntl perl-Socket perl-interpreter`"
    assert "`dnf remove podman-docker`" in rocky.remove_hint("podman-docker")
    ubuntu = operating_system(some_facts(1, os_ids=("ubuntu", "debian")))
    assert "linux-modules-extra" in ubuntu.kernel_modules_hint


@pytest.mark.parametrize("system", OPERATING_SYSTEMS, ids=lambda system: system.title)
def test_every_system_has_a_package_for_every_command(system: OperatingSystem) -> None:
    """And a unique id."""
    assert all(system.packages.get(command, system.default_package) for command in COMMANDS)
    assert system.ids
    assert system.install
    assert system.remove
    assert not any(set(system.ids) & set(other.ids) for other in OPERATING_SYSTEMS if other is not system)
