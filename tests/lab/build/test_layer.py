"""Image layers: what goes in, and that the same goes in each time."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import zstandard

from lab.build.layer import DebianTree, Folder, Link, PlacedFile, diff_id_of, layer_of, write_layer


def listing(layer: Path) -> dict[str, tarfile.TarInfo]:
    """The members of a compressed layer by name."""
    with layer.open("rb") as stream:
        content = zstandard.ZstdDecompressor().stream_reader(stream).read()
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: member for member in tar.getmembers()}


def contents(program: Path) -> list[Folder | PlacedFile | Link]:
    """One of each kind."""
    return [Folder("tmp", 0o1777), PlacedFile("usr/local/bin/server", program), Link("bin/sh", "dash")]


def test_a_layer_is_the_same_on_every_machine_and_day(tmp_path: Path) -> None:
    """The digest of what it unpacks to is a constant: no time, owner or order of this machine gets in."""
    (tmp_path / "program").write_bytes(b"program")
    diff_id = write_layer(tmp_path / "layer", contents(tmp_path / "program"))
    assert diff_id == "sha256:40a897e5a7df5bb01c9132cb0c468ed0f58f98e3a0775a0ab15dda0027eeec92"
    assert diff_id_of(tmp_path / "layer") == diff_id


def test_two_layers_of_one_content_are_one_blob(tmp_path: Path) -> None:
    """Hosts then keep and unpack it once."""
    (tmp_path / "program").write_bytes(b"program")
    layers = [layer_of(tmp_path / name, write_layer(tmp_path / name, contents(tmp_path / "program"))) for name in ("one", "other")]
    assert layers[0].blob.digest == layers[1].blob.digest


def test_files_come_with_the_folders_above_them(tmp_path: Path) -> None:
    """Each folder once, owned by root, and the modes as asked for."""
    (tmp_path / "program").write_bytes(b"program")
    write_layer(tmp_path / "layer", [*contents(tmp_path / "program"), PlacedFile("usr/local/bin/other", tmp_path / "program")])
    found = listing(tmp_path / "layer")
    assert set(found) == {"tmp", "usr", "usr/local", "usr/local/bin", "usr/local/bin/server", "usr/local/bin/other", "bin", "bin/sh"}
    assert found["tmp"].mode == 0o1777
    assert found["usr/local/bin/server"].mode == 0o755
    assert {(member.uid, member.gid, member.mtime) for member in found.values()} == {(0, 0, 0)}


def test_a_tree_of_packages_leaves_this_machine_and_its_manuals_out(tmp_path: Path) -> None:
    """No manuals, device files or name servers of the building machine; programs, links and hard links stay."""
    with tarfile.open(tmp_path / "tree.tar", "w") as tar:
        for name in ("./usr/bin/tool", "./usr/share/man/tool.1", "./etc/resolv.conf", "./etc/protocols"):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = 1, 1_700_000_000
            tar.addfile(member, io.BytesIO(b"x"))
        device = tarfile.TarInfo("./dev/null")
        device.type = tarfile.CHRTYPE
        tar.addfile(device)
        hard = tarfile.TarInfo("./usr/bin/again")
        hard.type, hard.linkname = tarfile.LNKTYPE, "./usr/bin/tool"
        tar.addfile(hard)
    write_layer(tmp_path / "layer", [DebianTree(tmp_path / "tree.tar")])
    found = listing(tmp_path / "layer")
    assert set(found) == {"usr/bin/tool", "usr/bin/again", "etc/protocols"}
    assert found["usr/bin/again"].linkname == "usr/bin/tool"
    assert {member.mtime for member in found.values()} == {0}
