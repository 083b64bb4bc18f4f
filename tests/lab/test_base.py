"""What the base of the hosts is made of and from."""

from __future__ import annotations

import pytest

from lab.base import PACKAGES, apt_settings, base_key, is_debians_own

DEB822 = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n"


def test_the_base_is_a_bare_debian() -> None:
    """What the product has to bring is not in the list of packages."""
    assert not {"containerd", "runc", "zstd", "conntrack", "iptables", "socat", "ethtool", "curl", "cri-tools", "ebtables"} & set(PACKAGES)


def test_the_machines_way_to_its_mirror_holds_for_the_base() -> None:
    """Proxies and clock settings are kept, what apt does elsewhere is not."""
    dump = (
        'APT "";\nAcquire "";\nAcquire::Check-Date "false";\nAcquire::cdrom::mount "/media/cdrom/";\n'
        'Acquire::http::Proxy "http://proxy.example:3128";\nAcquire::https::Proxy "";\nDir::State "var/lib/apt";\n'
    )
    assert apt_settings(dump) == 'Acquire::Check-Date "false";\nAcquire::http::Proxy "http://proxy.example:3128";\n'


@pytest.mark.parametrize(
    ("text", "own"),
    [
        (DEB822, True),
        ("deb http://mirror.example/debian bookworm main contrib\n", True),
        ("deb [signed-by=/x] https://docker.example/linux/debian bookworm stable\n", False),
        ("deb https://cloud.example/apt cloud-sdk-bookworm main\n", False),
        ("# deb http://mirror.example/debian bookworm main\n", False),
        ("", False),
    ],
)
def test_only_debians_own_sources_are_used(text: str, own: bool) -> None:
    """A third party's repository, or one that is commented out, is not a source of the base."""
    assert is_debians_own(text) is own


def test_the_same_parts_make_the_same_key() -> None:
    """The key of the base does not depend on when or where it is asked for."""
    assert base_key() == base_key()
    assert len(base_key()) == 12
