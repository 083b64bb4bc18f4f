"""Step start-retests: which saved clusters a retest run retests, and which of them share machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from blocks.age_identity import IdentityUnusable, read_identity
from blocks.artifact_bundle import ArtifactBundle
from blocks.backup_store import BackupStore
from blocks.loading import documents_of, load
from blocks.saved_cluster import SavedCluster
from cluster.file.reader import read_text
from cluster.retests.order import Candidate, RetestSettings
from cluster.retests.parameters import NothingRetested
from cluster.retests.parts import UPGRADED_FROM, upgrade_problems
from cluster.retests.records import START_RETESTS, RetestStart
from cluster.vocabulary.copies import CopyReason
from cluster.vocabulary.errors import SixstackError
from cluster.vocabulary.families import stack_name
from cluster.vocabulary.hostport import canonical_host
from cluster.vocabulary.nearest import nearest_name
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import SSH, ClusterSpec, Host
from hosts.session import Session
from kube.pod_networks import network_images
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.copies import backup_store_problems
from runs.recorded_keys import ClusterKeys
from runs.sessions import credential

LIMIT = timedelta(seconds=10)


@step(START_RETESTS)
def start_retests(clusters: Any, settings: RetestSettings, run: RunContext) -> tuple[Candidate, ...]:
    """The clusters in the order given; without names, every saved cluster with `test_hosts: true`. NothingRetested lists all problems.

    A cluster with which the upgrade or the restore of the settings cannot be tried is among them, with its own problems.
    """
    with record_attempt(START_RETESTS, "cluster", run, RetestStart) as attempt:
        saved = {name: str(fields.get("file", "")) for name, fields in documents_of(SavedCluster).items()}
        names, older_version, identity = _checked(clusters, saved, settings)
        specs = {name: read_text(saved[name], saved_as=name).spec for name in names or sorted(saved)}
        if not names:
            specs = _for_tests(specs)
        ids = _machine_ids({name: spec for name, spec in specs.items() if spec is not None})
        candidates = tuple(
            _with_parts(_candidate(name, spec, ids), spec, settings, older_version, identity) for name, spec in specs.items()
        )
        attempt.extra["clusters"] = {candidate.cluster: candidate.stack for candidate in candidates}
        attempt.found = f"{len(specs)} clusters to retest: {', '.join(specs)}"
    return candidates


def _for_tests(specs: dict[str, ClusterSpec | None]) -> dict[str, ClusterSpec | None]:
    """The clusters whose file has `test_hosts: true`."""
    found = {name: spec for name, spec in specs.items() if spec is not None and spec.test_hosts}
    if not found:
        hint = "Write `test_hosts: true` into a cluster file, and save it: sixstack save FILE"
        raise NothingRetested([Problem("no-test-hosts", "clusters", "no saved cluster has `test_hosts: true`", hint)])
    return dict(found)


def _checked(clusters: Any, saved: Iterable[str], settings: RetestSettings) -> tuple[tuple[str, ...], str, Any]:
    """The given names, () when none are given; the version of the older bundle, "" without an upgrade; the identity, None without a restore."""
    problems, older_version, identity = [*_name_problems(clusters, saved)], "", None
    if settings.upgrade_from:
        try:
            older_version = load(ArtifactBundle, settings.upgrade_from).manifest().kubernetes_version.removeprefix("v")
        except SixstackError as error:
            hint = "Write the name of an Artifact bundle block: `sixstack bundle register FOLDER --name NAME` saves one."
            problems.append(Problem("upgrade-bundle-unusable", "upgrade_from", str(error), hint))
    if settings.restore_with:
        try:
            identity = read_identity(Path(settings.restore_with))
        except IdentityUnusable as error:
            hint = "Write the path of the identity file on the machine of the Prefect worker. Its owner must be the user of the worker, its mode 0600."
            problems.append(Problem("identity-unusable", "restore_with", str(error), hint))
    if problems:
        raise NothingRetested(problems)
    return tuple(clusters), older_version, identity


def _name_problems(clusters: Any, saved: Iterable[str]) -> Iterable[Problem]:
    if not isinstance(clusters, list | tuple):
        yield Problem("wrong-type", "clusters", f"expected a list of names, got {quoted(clusters)}", "write a list of names")
        return
    for number, name in enumerate(clusters):
        at = f"clusters[{number}]"
        if not isinstance(name, str) or name not in saved:
            near = nearest_name(name, saved) if isinstance(name, str) else None
            hint = f"did you mean {near}?" if near else f"saved clusters: {', '.join(saved) or 'none'}"
            yield Problem("not-in-choices", at, f"{quoted(name)} is not the name of a saved cluster", hint)
        elif name in clusters[:number]:
            yield Problem("duplicate-key", at, f"{name} is in the list twice", "remove one of them")


def _candidate(name: str, spec: ClusterSpec | None, ids: Mapping[tuple[str, SSH], str]) -> Candidate:
    if spec is None:
        return Candidate(name)
    found = [ids.get((name, host.ssh)) for host in spec.hosts]
    return Candidate(
        name,
        stack_name(spec.stack, spec.primary_family),
        frozenset({_endpoint(host.ssh) for host in spec.hosts} | {machine for machine in found if machine is not None}),
        identified=None not in found,
        versions=_versions(spec),
        file=spec.model_dump(mode="json", exclude_unset=True),
    )


def _with_parts(candidate: Candidate, spec: ClusterSpec | None, settings: RetestSettings, older_version: str, identity: Any) -> Candidate:
    """The candidate, with what an upgrade and a restore need, and why they cannot be tried. A file with problems has enough of its own."""
    if spec is None:
        return candidate
    problems: list[Problem] = []
    versions = dict(candidate.versions)
    if settings.upgrade_from:
        versions[UPGRADED_FROM] = f"v{older_version}"
        problems += upgrade_problems(spec, older_version, settings.upgrade_from)
    if settings.restore_with:
        problems += _store_problems(spec, identity)
    return replace(candidate, versions=versions, older_version=older_version, problems=tuple(problems))


def _store_problems(spec: ClusterSpec, identity: Any) -> tuple[Problem, ...]:
    """Why a backup of the cluster cannot be made, or not be restored with the identity."""
    if problems := backup_store_problems(spec, spec.control_planes, CopyReason.BACKUP):
        return problems
    if not (store := load(BackupStore, spec.backups)).opens(identity):
        message = (
            f"the copies of the Backup store `{spec.backups}` are encrypted to {store.recipient}, and the identity has another recipient"
        )
        return (Problem("wrong-identity", "restore_with", message, "Use the identity of this recipient."),)
    return ()


def _endpoint(ssh: SSH) -> str:
    """One text for all spellings of an address."""
    return f"{canonical_host(ssh.address)} port {ssh.port}"


def _versions(spec: ClusterSpec) -> dict[str, str]:
    """The versions of the programs that the bundle gives to this cluster; only Kubernetes when the bundle cannot be read."""
    versions = {"kubernetes": spec.version}
    try:
        manifest, images = load(ArtifactBundle, spec.bundle).manifest(), network_images(spec)
    except SixstackError:  # the retest reports it
        return versions
    files = {file.name: file for role in ("control-plane", "worker") for file in manifest.for_host(role, images)}
    return versions | {name: file.version for name, file in sorted(files.items()) if file.version != spec.version}


def _machine_ids(specs: Mapping[str, ClusterSpec]) -> dict[tuple[str, SSH], str]:
    """The machine id behind each SSH endpoint that answers, by cluster: two files may reach one machine over different families."""
    recorded = {name: ClusterKeys(name) for name in specs}

    def machine_id(login: tuple[str, Host]) -> str | None:
        cluster, host = login
        try:
            session = Session.open(host.name, host.ssh, credential, recorded[cluster])
        except SixstackError:  # the retest reports it
            return None
        try:
            return session.run("cat /etc/machine-id", limit=LIMIT).stdout.strip() or None
        except SixstackError:
            return None
        finally:
            session.close()

    logins = [(name, host) for name, spec in specs.items() for host in spec.hosts]
    with ThreadPoolExecutor(8) as pool:
        found = zip(logins, pool.map(machine_id, logins), strict=True)
        return {(cluster, host.ssh): machine for (cluster, host), machine in found if machine is not None}
