"""The files that a bundle may install on a host: an exact list of targets with their modes.

A host installs them as root. Without the list, the author of a manifest could replace /etc/shadow, or put an `rm` first in root's PATH.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from cluster.vocabulary.problems import Problem

KUBERNETES_BINARIES = ("kubelet", "kubeadm", "kubectl")
CONTAINERD_BINARIES = ("containerd", "containerd-shim-runc-v2", "ctr")
CNI_PLUGINS = ("bandwidth", "bridge", "firewall", "host-local", "loopback", "portmap", "ptp", "tuning")
UNIT_FILES = ("containerd.service", "kubelet.service", "kubelet.service.d/10-kubeadm.conf")


@dataclass(frozen=True, slots=True)
class Target:
    """One file on a host."""

    path: PurePosixPath
    mode: int

    @property
    def name(self) -> str:
        """The file's name, which is also its name in the manifest."""
        return self.path.name


def _targets(folder: str, names: Iterable[str], mode: int) -> dict[str, Target]:
    targets = [Target(PurePosixPath(folder, name), mode) for name in names]
    return {target.name: target for target in targets}


# kind of the file in the manifest -> name -> target. Images have none: containerd stores them.
TARGETS: Mapping[str, Mapping[str, Target]] = {
    "binary": _targets("/usr/local/bin", (*KUBERNETES_BINARIES, *CONTAINERD_BINARIES, "runc"), 0o755),
    "cni-plugin": _targets("/opt/cni/bin", CNI_PLUGINS, 0o755),
    "unit": _targets("/etc/systemd/system", UNIT_FILES, 0o644),
}
_DEFAULT_MODE = 0o644
_QUOTED = 100  # characters of an offending value


def quoted(value: object) -> str:
    """An offending value for a message, shortened."""
    text = repr(value)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}..."


def target_problems(at: str, files: Iterable[object]) -> Iterator[Problem]:
    """Every target and mode outside of the list, and every path, target and image that two files have.

    `files` are the entries of a manifest before validation, so that these problems are reported together with all others.
    """
    entries = [(f"{at}/{index}", entry) for index, entry in enumerate(files) if isinstance(entry, Mapping)]
    for path, entry in entries:
        yield from _problems_of(path, entry)
    yield from _duplicates("path", ((path, entry.get("path")) for path, entry in entries))
    yield from _duplicates("target", ((path, entry.get("target")) for path, entry in entries))
    yield from _duplicates("images", ((path, image) for path, entry in entries for image in _listed(entry.get("images"))))


def _problems_of(at: str, entry: Mapping[str, Any]) -> Iterator[Problem]:
    kind, name, target = entry.get("kind"), entry.get("name"), entry.get("target")
    allowed = TARGETS.get(kind) if isinstance(kind, str) else None
    if allowed is None or target is None:
        return  # an image, or a fault that the validation reports
    wanted = allowed.get(name) if isinstance(name, str) else None
    if wanted is None:
        hint = f"Write one of {', '.join(allowed)}, or remove the file"
        yield Problem("bundle-target-forbidden", f"{at}/name", f"{quoted(name)} is not a {kind} that a bundle may install", hint)
        known = next((target_ for target_ in allowed.values() if str(target_.path) == target), None)
        if known is None:
            hint = f"Write one of {', '.join(str(target_.path) for target_ in allowed.values())}, or remove the file"
            yield Problem("bundle-target-forbidden", f"{at}/target", f"{quoted(target)} is not the target of a {kind}", hint)
        return
    # the text is compared, so that no other spelling of a path passes
    if target != str(wanted.path):
        yield Problem("bundle-target-forbidden", f"{at}/target", f"{quoted(target)} is not the target of {name}", f"Write {wanted.path}")
    mode = entry.get("mode", _DEFAULT_MODE)
    if isinstance(mode, bool) or mode != wanted.mode:
        shown = f"{mode} (0{mode:o})" if isinstance(mode, int) and not isinstance(mode, bool) else quoted(mode)
        hint = f"Write {wanted.mode} (0{wanted.mode:o})"
        yield Problem("bundle-mode-forbidden", f"{at}/mode", f"{shown} is not the mode of {name}", hint)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _duplicates(field: str, values: Iterable[tuple[str, object]]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for at, value in values:
        if not isinstance(value, str):
            continue
        if value in first:
            message = f"duplicate {field}: {quoted(value)} is also in {first[value]}"
            yield Problem("bundle-manifest", f"{at}/{field}", message, "Remove one of the two files")
        first.setdefault(value, at)
