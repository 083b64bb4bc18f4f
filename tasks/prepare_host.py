"""Step prepare-host: everything a bare host needs before kubeadm: owner, files, kernel settings, container runtime, the first images."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import load
from bundle.manifest import BundleFile, FileKind
from cluster.plan import PlannedStep
from cluster.records import StepRecord
from cluster.spec import ClusterSpec, Host
from cluster.steps import CLAIM_TEMPLATE, SHORT, claim_values
from hosts.facts import gather
from hosts.upload import import_images, upload_files
from tasks.attempt import Where, attempt, step
from tasks.connection import locked_session
from tasks.load_images import lacking, needed_by_init
from tasks.script import run_script

# all that the prepare script needs; kubeadm and kubelet arrive while the first images are unpacked
RUNTIME = frozenset({"containerd", "containerd-shim-runc-v2", "ctr", "runc"})


@step("prepare-host", "host.name")
def prepare_host(planned: PlannedStep, spec: ClusterSpec, host: Host, where: Where) -> StepRecord:
    """Bring a host to where kubeadm can start; only what it lacks is uploaded."""
    with attempt("prepare-host", host.name, where, StepRecord) as this:
        assert planned.template is not None
        bundle = load(ArtifactBundle, where.bundle)
        files = bundle.manifest().for_host(host.role.value, spec.cni.kind.value)
        session = locked_session(host, where)
        run_script(this, session, CLAIM_TEMPLATE, claim_values(spec, host), SHORT)
        # looked at again here: an earlier attempt, or a run that died, may have brought a part of it
        facts = gather(session, host)
        missing = [file for file in files if file.kind is not FileKind.IMAGE and file.content_sha256 not in facts.bundle_files]
        this.change(*upload_files(session, bundle.path, [file for file in missing if _of_the_runtime(file)]))
        run_script(this, session, planned.template, planned.values, planned.limit)
        images = [file for file in lacking(files, facts.images) if needed_by_init(file, host)]
        with ThreadPoolExecutor(1) as pool:
            importing = pool.submit(import_images, session, bundle.path, images)
            this.change(*upload_files(session, bundle.path, [file for file in missing if not _of_the_runtime(file)]))
            this.change(*importing.result())
        this.change("prepared")
        this.found = planned.reason
    return this.record


def _of_the_runtime(file: BundleFile) -> bool:
    return file.kind is FileKind.UNIT or file.name in RUNTIME
