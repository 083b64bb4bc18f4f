"""Extracts single files of an image of a bundle: tests run etcd and kube-apiserver of the bundle on this machine."""

from __future__ import annotations

from pathlib import Path

from bundle.image_file import read_from_image


def unpack_from_image(folder: Path, name: str, path: str, target: Path) -> Path:
    """Extract one file of an image to `target`, executable; returns `target`. As `read_from_image`."""
    content = read_from_image(folder, name, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    target.chmod(0o755)
    return target
