"""The kubeconfig of the person who runs the command: the files of KUBECONFIG, else ~/.kube/config. They belong to this person.

A file is changed under kubectl's own lock, with a second file that replaces it: readers see the old or the new one. A symbolic link is followed,
mode and owner stay.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kube.merged_kubeconfig import KubeconfigText, Refused

_LOCK_SECONDS = 5.0  # kubectl holds the lock for milliseconds


def merge(document: Mapping[str, Any], cluster: str, authority: str, *, use: bool, overwrite: bool) -> str:
    """Add the entries of `named_after` to the person's kubeconfig; what was done as text. Refused when an entry of this name is not ours."""
    files = own_files()
    target = next((file for file in files if file.exists()), files[-1])  # as kubectl does for a new entry
    texts = {file: _read(file) for file in files}
    for file, text in texts.items():
        owners = text.owner_of(cluster)
        if foreign := [kind for kind, ours in owners.items() if not ours]:
            raise Refused(
                f"{file} has entries named {cluster} in {', '.join(foreign)} that sixstack did not write; nothing was changed. Rename them "
                f"(kubectl config rename-context {cluster} NEW), or write this kubeconfig to a file of its own: --to FILE"
            )
        if owners and (written := text.authority_of(cluster)) != authority and not overwrite:
            raise Refused(
                f"{file} has the entries of another cluster named {cluster} (certificate authority {written or 'unknown'}); nothing was changed. "
                "If that cluster is gone, --overwrite replaces them"
            )
        if owners:
            target = file
    current = next((text.current_context for text in texts.values() if text.current_context), "")
    of_current = next((file for file, text in texts.items() if text.current_context), target)
    become_current = use or not current

    def change(text: KubeconfigText) -> None:
        # the file may have changed since it was checked
        if not all(text.owner_of(cluster).values()):
            raise Refused(f"another program has written entries named {cluster} at this moment; nothing was changed")
        text.put(document, cluster, authority)
        if become_current and of_current == target:
            text.use(cluster)

    _change(target, change)
    if become_current and of_current != target:
        _change(of_current, lambda text: text.use(cluster))
    if become_current:
        return f"context {cluster} written to {target}; it is the current context"
    return f"context {cluster} written to {target}. To use it: kubectl config use-context {cluster}"


def remove(cluster: str, authority: str) -> Iterator[str]:
    """Remove our entries of a deleted cluster from the person's kubeconfig; what was done as text."""
    texts = {file: _read(file) for file in own_files()}
    current = next((text.current_context for text in texts.values() if text.current_context), "")
    for file, text in texts.items():
        if not any(text.owner_of(cluster).values()):
            continue
        if text.authority_of(cluster) != authority:
            yield f"context {cluster} in {file} was kept: it is of another cluster with this name"
            continue
        _change(file, lambda found: found.remove(cluster))
        yield f"context {cluster} removed from {file}"
        if current == cluster:
            yield f"{cluster} is still the current context; to change it: kubectl config use-context NAME"


def own_files() -> list[Path]:
    """The files of KUBECONFIG, else ~/.kube/config."""
    named = [Path(name) for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    return named or [Path.home() / ".kube" / "config"]


def _read(file: Path) -> KubeconfigText:
    try:
        return KubeconfigText(file.read_text(encoding="utf-8"), str(file))
    except FileNotFoundError:
        return KubeconfigText("", str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _change(file: Path, change: Callable[[KubeconfigText], None]) -> None:
    try:
        target = file.resolve()
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ExitStack() as locks:
            # kubectl locks the path that it was given, which may be a symbolic link
            for path in sorted({file.parent.resolve() / file.name, target}):
                locks.enter_context(_locked(path))
            text = _read(file)
            change(text)
            write_private(str(text), target, like=target.stat() if target.exists() else None)
    except OSError as error:
        raise Refused(f"{file} cannot be changed: {error.strerror or error}; it stays as it is") from None


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold kubectl's lock of a kubeconfig: a file with the suffix `.lock`, which exists while a program writes the kubeconfig."""
    lock, deadline = file.with_name(f"{file.name}.lock"), time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            os.close(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                raise Refused(f"another program changes {file}; nothing was changed. If none runs, remove {lock}") from None
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def write_private(text: str, target: Path, like: os.stat_result | None = None) -> None:
    """Write a second file and rename it: readers see the old or the new file, with mode 0600, or with the mode and owner of `like`.

    The name of the second file is fixed, so that the next command replaces what a killed one left.
    """
    new = target.with_name(f".{target.name}.sixstack-new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            if like is not None:
                if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(descriptor, like.st_uid, like.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
                if like.st_mode & 0o077:
                    print(f"sixstack: other users may read {target}, which has admin keys: chmod 600 {target}", file=sys.stderr)
            file.flush()
            os.fsync(descriptor)
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
