"""Step restore-control-plane: PKI and etcd's data of a copy become the control plane of a host."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import load
from bundle.image_file import read_from_image
from cluster.kubeadm.volumes import FILES_FOLDER
from cluster.plan.graph import PlannedStep
from cluster.plan.restore import RESTORE_CONTROL_PLANE
from cluster.plan.values import SLACK_KIB, RestoreSource
from cluster.vocabulary.errors import Bug
from hosts.copy_archive import SNAPSHOT
from hosts.copy_contents import CopiedFile
from runs.attempts import Attempt, record_step, step
from runs.cluster_api import close_api
from runs.context import ClusterContext
from runs.restored_copy import decrypted_copy
from runs.scripts import run_detached_script, run_script
from runs.sessions import locked_session

LIMIT = timedelta(minutes=20)  # etcdutl reads and writes 8 GB at most, then kubeadm init
_SLOWEST = 200_000  # bytes a second, as in hosts/upload.py

# below /etc/kubernetes: what kubeadm does not make again. All certificates are made from these.
AUTHORITIES = (
    *(f"pki/{name}.{ending}" for name in ("ca", "front-proxy-ca", "etcd/ca") for ending in ("crt", "key")),
    "pki/sa.key",
    "pki/sa.pub",
)
# what kubeadm makes again: certificates, kubeconfigs and manifests of its components
_MADE_AGAIN = {
    *(f"pki/{name}" for name in ("apiserver", "apiserver-kubelet-client", "apiserver-etcd-client", "front-proxy-client")),
    *(f"pki/etcd/{name}" for name in ("server", "peer", "healthcheck-client")),
    *(f"manifests/{name}" for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")),
    *("admin", "super-admin", "kubelet", "bootstrap-kubelet", "controller-manager", "scheduler"),
}
_FOLDER = "kubernetes/"


@step(RESTORE_CONTROL_PLANE, "planned.subject")
def restore_control_plane(planned: PlannedStep, run: ClusterContext) -> None:
    """Send the snapshot, then restore it as a unit of the host. The copy's other files go along as an input file of mode 0600."""
    with record_step(planned, run) as attempt:
        session, values = locked_session(run.host(planned.subject), run), {**planned.values, "run": run.id}
        source = RestoreSource(planned.values["store"], planned.values["copy"], planned.values["identity"])
        files: dict[str, bytes] = {}
        with decrypted_copy(run.cluster, source) as (saved, contents):
            for file in contents.files():
                if file.name == SNAPSHOT:
                    _send_snapshot(attempt, session, values, file)
                elif is_restored(file.name):
                    files[file.name.removeprefix(_FOLDER)] = file.content()
        etcdutl = read_from_image(load(ArtifactBundle, run.bundle).path, "etcd", "usr/local/bin/etcdutl")
        inputs = {"kubernetes.tar": packed(files), "etcdutl": etcdutl}
        run_detached_script(attempt, session, run.cluster, "host/restore.sh.j2", values, LIMIT, inputs)
        close_api(run)  # the control plane has other keys
        attempt.change(f"control plane restored from {saved.name}")


def _send_snapshot(attempt: Attempt, session: Any, values: Mapping[str, Any], file: CopiedFile) -> None:
    kib = 2 * file.size // 1024 + SLACK_KIB
    limit = timedelta(seconds=60 + file.size / _SLOWEST)
    run_script(attempt, session, "host/receive-snapshot.sh.j2", {**values, "size": file.size, "kib": kib}, limit, data=file.pieces)


def is_restored(name: str) -> bool:
    """Whether a file of the copy goes back below /etc/kubernetes: authorities, and what the owner put there."""
    if not name.startswith(_FOLDER):
        return False
    path = name.removeprefix(_FOLDER)
    made_again = str(PurePosixPath(path).with_suffix("")) in _MADE_AGAIN
    # prepare-host writes the files of the cluster file
    return not made_again and not f"/etc/kubernetes/{path}".startswith(f"{FILES_FOLDER}/")


def packed(files: Mapping[str, bytes]) -> bytes:
    """A tar file for /etc/kubernetes. Only root can read it and its files; certificates and public keys are for everybody, as kubeadm has them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts:
                raise Bug(f"not a path below /etc/kubernetes: {name!r}")
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644 if path.suffix in {".crt", ".pub"} else 0o600
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()
