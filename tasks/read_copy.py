"""Step read-copy: find, decrypt and check the copy of a restore. Nothing of its secrets leaves the step."""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import Any

import yaml

from blocks.age_identity import IdentityUnusable, read_identity
from blocks.backup_store import BackupStore, CopyNotStored, CopyUnreadable, WrongIdentity
from blocks.loading import NoBlock, load
from cluster.facts.etcd_keys import read_keys
from cluster.facts.parsers.kubernetes import ca_hash
from cluster.file.reader import read_document
from cluster.plan.copies import no_backup_store, unusable_backup_store
from cluster.plan.restore import CheckedCopy, RestoreRefused
from cluster.plan.values import RestoreSource
from cluster.vocabulary.copies import CopyReason, CopyRecord, SavedCopy
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import ClusterSpec
from hosts.copy_archive import CLUSTER_FILE, SNAPSHOT
from hosts.copy_contents import CopyContents, CopyDamaged
from runs.attempts import record_attempt, step
from runs.context import RunContext
from tasks.restore_control_plane import AUTHORITIES

_KEYS, _KUBEADM, _CA = "etcd-keys.json", "kubeadm-config.yaml", "kubernetes/pki/ca.crt"
_ANOTHER = "Choose another copy: `sixstack backups CLUSTER` lists them."


@step("read-copy", retries=0)
def read_copy(spec: ClusterSpec, name: str | None, identity: Any, run: RunContext) -> tuple[CheckedCopy, RestoreSource]:
    """The copy of that name, else the newest one that has a snapshot. RestoreRefused lists why it cannot be restored."""
    with record_attempt("read-copy", "cluster", run, CopyRecord) as attempt:
        store, saved = _find(spec, name, identity)
        located = store.located(saved)
        attempt.extra |= {"saved": saved, "location": located.location}
        attempt.found = f"{saved.reason.value}, {located}"
        try:
            with store.decrypted(saved, read_identity(Path(identity))) as stream:
                checked = _checked(saved, CopyContents(stream))
        except WrongIdentity as error:
            raise _refused("wrong-identity", "identity", str(error), "Use the identity of this recipient.") from None
        except (CopyUnreadable, CopyDamaged) as error:
            raise _refused("copy-damaged", "copy", f"{located.location}: {error}", _ANOTHER) from None
        return checked, RestoreSource(spec.backups, saved.name, identity)


def _find(spec: ClusterSpec, name: str | None, identity: Any) -> tuple[BackupStore, SavedCopy]:
    """The store and the copy in it; RestoreRefused has every reason against them."""
    problems: list[Problem] = []
    hint = (
        "Write the path of the identity file on the machine of the Prefect worker. Its owner must be the user of the worker, its mode 0600."
    )
    if not isinstance(identity, str) or not PurePath(identity).is_absolute():
        # the value is not quoted: it may be the identity itself
        problems.append(Problem("identity-unusable", "identity", "expected an absolute path", hint))
    else:
        try:
            read_identity(Path(identity))
        except IdentityUnusable as error:
            problems.append(Problem("identity-unusable", "identity", str(error), hint))
    found: SavedCopy | None = None
    try:
        store = load(BackupStore, spec.backups)
        copies = store.listed(spec.name)
    except NoBlock:
        problems.append(no_backup_store(spec, spec.control_planes, CopyReason.RESTORE))
    except CopyNotStored as fault:
        problems.append(unusable_backup_store(spec, str(fault), CopyReason.RESTORE))
    else:
        chosen = [copy for copy in copies if copy.complete and _is_chosen(copy, name)]
        if chosen:
            found = chosen[-1]
        else:
            listed = ", ".join(copy.name for copy in copies if copy.complete) or "none"
            what = "has no copy with a snapshot of etcd" if name is None else f"has no copy {quoted(name)} with a snapshot of etcd"
            message = f"the Backup store `{spec.backups}` {what} of cluster {spec.name}"
            problems.append(Problem("no-such-copy", "copy", message, f"Copies with a snapshot: {listed}."))
    if problems or found is None:
        raise RestoreRefused(problems)
    return store, found


def _is_chosen(copy: SavedCopy, name: str | None) -> bool:
    """Without a name, no copy that an earlier restore made of the state that it replaced: a second run restores the same copy as the first."""
    return copy.reason is not CopyReason.RESTORE if name is None else name in (copy.name, copy.key)


def _checked(saved: SavedCopy, contents: CopyContents) -> CheckedCopy:
    """Reads the whole archive: a copy that is damaged anywhere is refused."""
    needed = {_CA, *(f"kubernetes/{path}" for path in AUTHORITIES), CLUSTER_FILE}
    kept: dict[str, bytes] = {}
    names = set()
    for file in contents.files():
        names.add(file.name)
        if file.name in {_CA, CLUSTER_FILE, _KEYS, _KUBEADM}:
            kept[file.name] = file.content()
    if missing := sorted((needed | {SNAPSHOT}) - names):
        raise _refused("copy-incomplete", "copy", f"the copy {saved.name} lacks {', '.join(missing)}", _ANOTHER)
    if contents.manifest.get("cluster") != saved.cluster:
        message = f"the archive {saved.name} is of cluster {quoted(contents.manifest.get('cluster'))}"
        raise _refused("copy-of-another-cluster", "copy", message, _ANOTHER)
    spec, authority = _file_in(kept[CLUSTER_FILE]), ca_hash(kept[_CA].decode(errors="replace"))
    if spec is None or authority is None:
        what = "the cluster file" if spec is None else "the certificate authority"
        raise _refused("copy-incomplete", "copy", f"{what} in the copy {saved.name} cannot be read", _ANOTHER)
    listed = read_keys(kept.get(_KEYS, b""))
    return CheckedCopy(saved, spec, _kubeadm_in(kept.get(_KUBEADM, b"")), authority, listed.keys if listed is not None else None)


def _file_in(content: bytes) -> ClusterSpec | None:
    try:
        return read_document(json.loads(content)).spec
    except ValueError:
        return None


def _kubeadm_in(content: bytes) -> dict[str, Any]:
    """ClusterConfiguration of the ConfigMap kubeadm-config; {} without it."""
    try:
        found = yaml.safe_load(yaml.safe_load(content)["data"]["ClusterConfiguration"])
    except (yaml.YAMLError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _refused(code: str, path: str, message: str, hint: str) -> RestoreRefused:
    return RestoreRefused([Problem(code, path, message, hint)])
