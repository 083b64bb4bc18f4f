"""What the base of the hosts is made of and from."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import base
from lab.base import SUITES, apt_settings, base_key, ensure_base, is_debians_own, packages, sources_of

DEB822 = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n"


@pytest.mark.parametrize("suite", SUITES.values())
def test_the_base_is_a_bare_debian(suite: str) -> None:
    """What the product has to bring is not in the list of packages."""
    assert not {"containerd", "runc", "zstd", "conntrack", "iptables", "socat", "ethtool", "curl", "cri-tools", "ebtables"} & set(
        packages(suite)
    )


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
    assert is_debians_own(text, "bookworm") is own


def test_the_same_parts_make_the_same_key() -> None:
    """The key of the base does not depend on when or where it is asked for."""
    assert base_key("bookworm") == base_key("bookworm")
    assert len(base_key("bookworm")) == 12


def test_each_release_has_a_key_of_its_own() -> None:
    """So that a change for one release does not rebuild the base of another."""
    assert len({base_key(suite) for suite in SUITES.values()}) == len(SUITES)


def test_what_only_one_release_has_is_not_part_of_the_key_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A further package of trixie gives another trixie, and the same bookworm."""
    keys = {suite: base_key(suite) for suite in SUITES.values()}
    monkeypatch.setattr(base, "FURTHER_PACKAGES", {"trixie": ("linux-sysctl-defaults", "less")})
    assert base_key("trixie") != keys["trixie"]
    assert base_key("bookworm") == keys["bookworm"]


def machine(etc: Path, codename: str, files: dict[str, str], system: str = "debian") -> Path:
    """/etc of a machine with these apt source files."""
    (etc / "apt/sources.list.d").mkdir(parents=True)
    (etc / "os-release").write_text(f"ID={system}\nVERSION_CODENAME={codename}\n")
    for name, text in files.items():
        (etc / "apt" / name).write_text(text)
    return etc


THIRD_PARTY = "deb [signed-by=/x] https://docker.example/linux/debian bookworm stable\n"


def test_the_sources_of_the_machine_serve_its_own_release_unchanged(tmp_path: Path) -> None:
    """All that is Debian's own, in the machine's words."""
    files = {"sources.list.d/debian.sources": DEB822, "sources.list.d/docker.list": THIRD_PARTY}
    assert sources_of("bookworm", machine(tmp_path, "bookworm", files)) == {"debian.sources": DEB822}


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        (DEB822, DEB822.replace("bookworm", "trixie")),
        (
            "deb http://mirror.example/bookworm-mirror bookworm main\ndeb http://mirror.example/security bookworm-security main\n",
            "deb http://mirror.example/bookworm-mirror trixie main\ndeb http://mirror.example/security trixie-security main\n",
        ),
        ("deb http://bookworm.example/d bookworm main bookworms\n", "deb http://bookworm.example/d trixie main bookworms\n"),
    ],
)
def test_the_mirror_of_the_machine_serves_another_release(text: str, rewritten: str, tmp_path: Path) -> None:
    """Suites are replaced, with their suffix; names of hosts, folders and other suites are not."""
    assert sources_of("trixie", machine(tmp_path, "bookworm", {"sources.list": text})) == {"sources.list": rewritten}


def test_a_machine_with_the_newer_release_serves_the_older(tmp_path: Path) -> None:
    """The table works in both directions."""
    newer = DEB822.replace("bookworm", "trixie")
    assert sources_of("bookworm", machine(tmp_path, "trixie", {"sources.list.d/debian.sources": newer})) == {"debian.sources": DEB822}


@pytest.mark.parametrize(("codename", "system"), [("noble", "ubuntu"), ("bookworm", "raspbian"), ("sid", "debian")])
def test_the_mirror_of_another_system_is_not_used(codename: str, system: str, tmp_path: Path) -> None:
    """mmdebstrap then uses its default mirror."""
    assert (
        sources_of("trixie", machine(tmp_path, codename, {"sources.list": f"deb http://mirror.example/x {codename} main\n"}, system)) == {}
    )


def test_a_build_removes_older_bases_of_its_release_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base of the other release stays. What was not finished goes, as only one process builds at a time."""
    monkeypatch.setenv("SIXSTACK_CACHE", str(tmp_path))
    monkeypatch.setattr(base, "_mmdebstrap", lambda _suite, target, *_: target.mkdir())
    for name in ("lab-base-bookworm-old", "lab-base-trixie-old", "lab-base-trixie-old2.building", "lab-base-bookworm-b.building"):
        (tmp_path / name).mkdir()
    built = ensure_base(lambda _: None, 13)
    assert built.name == f"lab-base-trixie-{base_key('trixie')}"
    assert {path.name for path in tmp_path.iterdir()} == {built.name, "lab-base-bookworm-old"}
    assert ensure_base(lambda _: None) == tmp_path / f"lab-base-bookworm-{base_key('bookworm')}"
    assert built.is_dir()
