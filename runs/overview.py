"""The overview of all known clusters: what is saved of each, its nodes now, its last run, network check, inspection and copy."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import ArtifactCollectionFilter, ArtifactCollectionFilterKey, FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.sorting import FlowRunSort

from blocks.backup_store import BackupStore
from blocks.loading import NoBlock, documents_of, load
from blocks.saved_cluster import SavedCluster
from blocks.saved_kubeconfig import SavedKubeconfig
from cluster.facts.cluster_state import NodeState
from cluster.file.reader import Reading, read_text
from cluster.vocabulary.errors import SixstackError
from cluster.vocabulary.families import family_names, family_of, stack_name
from cluster.vocabulary.one_line import in_one_line
from cluster.vocabulary.redaction import redact
from cluster.vocabulary.spec import ClusterSpec
from kube.state import read_nodes
from runs.artifacts import certificates_key, drift_key, network_key, overview_artifact
from runs.cluster_api import saved_api
from runs.cluster_slot import cluster_tag, is_subflow
from runs.context import SavedClusterContext
from runs.sessions import close_sessions, open_sessions

_NEWEST_RUNS = 5  # more than a run and its subflow


@dataclass(frozen=True, slots=True)
class KnownCluster:
    """One row of the overview."""

    cluster: str
    stack: str  # stack mode from the saved file, else the families of the nodes; "" when unknown
    version: str  # of Kubernetes, in the same way
    saved: str  # what is saved: `file`, `kubeconfig`, both, or the problems of the file
    nodes: str  # READY/ALL, or why they are unknown
    last_run: str
    last_verify: str
    next_expiry: str  # of a certificate, as the last inspection or check found it
    drift: str  # of the last inspection, with its time in UTC
    last_backup: str  # time in UTC of the newest copy in the Backup store of the saved file, or why it is unknown

    def as_dict(self) -> dict[str, str]:
        """The JSON form, and the columns of the table."""
        return {
            "cluster": self.cluster,
            "stack mode": self.stack,
            "version": self.version,
            "saved": self.saved,
            "nodes ready": self.nodes,
            "last run": self.last_run,
            "last verify": self.last_verify,
            "next expiry": self.next_expiry,
            "drift": self.drift,
            "last backup": self.last_backup,
        }


def known_clusters() -> tuple[KnownCluster, ...]:
    """Every saved cluster and every saved kubeconfig, by name. The clusters are asked at the same time; one that does not answer says why."""
    files = {name: str(fields.get("file", "")) for name, fields in documents_of(SavedCluster).items()}
    kubeconfigs = documents_of(SavedKubeconfig)
    names = sorted({*files, *kubeconfigs})
    if not names:
        return ()
    with get_client(sync_client=True) as client:
        reported = {key: _last_reported(client, names, key) for key in (network_key, drift_key, certificates_key)}
        runs = {name: _last_run(client, name) for name in names}
    specs = {name: _read(name, files.get(name)) for name in names}
    with ThreadPoolExecutor(min(16, len(names))) as pool:
        nodes = dict(zip(names, pool.map(lambda name: _nodes(name) if name in kubeconfigs else None, names), strict=True))
        backups = dict(zip(names, pool.map(lambda name: _last_backup(name, specs[name]), names), strict=True))

    def row(name: str) -> KnownCluster:
        reading = specs[name]
        saved = [] if reading is None else ["file" if reading.spec is not None else f"file with {len(reading.problems)} problems"]
        stack, version = _described(reading.spec if reading is not None else None, nodes[name])
        return KnownCluster(
            cluster=name,
            stack=stack,
            version=version,
            saved=", ".join([*saved, *(["kubeconfig"] if name in kubeconfigs else [])]),
            nodes=_counted(nodes[name]),
            last_run=runs[name],
            last_verify=reported[network_key].get(name, ""),
            next_expiry=reported[certificates_key].get(name, "").removeprefix("next expiry ").partition(" ")[0],
            drift=reported[drift_key].get(name, ""),
            last_backup=backups[name],
        )

    return tuple(map(row, names))


def publish_overview() -> None:
    """Write the artifact."""
    overview_artifact([cluster.as_dict() for cluster in known_clusters()])


Nodes = tuple[NodeState, ...] | str  # or why they are unknown


def _read(name: str, text: str | None) -> Reading | None:
    """The saved file; None without one."""
    return read_text(text, saved_as=name) if text is not None else None


def _described(spec: ClusterSpec | None, nodes: Nodes | None) -> tuple[str, str]:
    """Stack mode and version."""
    if spec is not None:
        return stack_name(spec.stack, spec.primary_family), spec.version
    if not nodes or isinstance(nodes, str):
        return "", ""
    families = dict.fromkeys(family_of(address) for node in nodes for address in node.addresses)
    return family_names(families), ", ".join(sorted({node.kubelet_version for node in nodes}))


def _counted(nodes: Nodes | None) -> str:
    if nodes is None:
        return "not created"
    return nodes if isinstance(nodes, str) else f"{sum(node.ready for node in nodes)}/{len(nodes)}"


def _nodes(name: str) -> Nodes:
    run = SavedClusterContext(cluster=name, id=f"overview-{name}", audit="", bundle="", kubeconfig=name)
    open_sessions(run)
    try:
        with saved_api(run) as api:
            return read_nodes(api)
    except SixstackError as error:
        return f"unknown: {in_one_line(str(error)) or type(error).__name__}"
    finally:
        close_sessions(run)


def _last_run(client: SyncPrefectClient, name: str) -> str:
    """The newest run on the cluster, with its state and its time in UTC."""
    found = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[cluster_tag(name)])),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=_NEWEST_RUNS,
    )
    newest = next((run for run in found if not is_subflow(run)), None)
    if newest is None:
        return ""
    when = newest.end_time or newest.start_time or newest.expected_start_time
    return f"{newest.name}: {(newest.state_name or '').lower()}{f' {when:%Y-%m-%d %H:%M}' if when else ''}"


def _last_reported(client: SyncPrefectClient, names: list[str], key_of: Callable[[str], str]) -> dict[str, str]:
    """The result in each cluster's newest artifact of a kind, with its time in UTC."""
    keys = {key_of(name): name for name in names}
    wanted = ArtifactCollectionFilter(key=ArtifactCollectionFilterKey(any_=list(keys)))
    return {
        keys[found.key]: f"{(found.description or '').partition(': ')[2]} {found.updated:%Y-%m-%d %H:%M}"
        for found in client.read_latest_artifacts(artifact_filter=wanted)
        if found.key in keys and found.updated is not None
    }


def _last_backup(name: str, reading: Reading | None) -> str:
    """The time of the newest copy."""
    if reading is None or reading.spec is None:
        return ""
    try:
        copies = load(BackupStore, reading.spec.backups).copies(name)
    except NoBlock:
        return ""
    except Exception as error:  # each storage has its own
        return f"unknown: {in_one_line(redact(str(error))) or type(error).__name__}"
    return f"{copies[-1].created:%Y-%m-%d %H:%M}" if copies else ""
