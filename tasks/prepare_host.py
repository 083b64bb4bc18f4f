"""Step prepare-host: everything a bare host needs before kubeadm: owner, files, kernel settings, container runtime, images."""

from __future__ import annotations

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import load
from bundle.manifest import FileKind
from cluster.plan import PlannedStep
from cluster.records import StepRecord
from cluster.spec import ClusterSpec, Host
from cluster.steps import CLAIM_TEMPLATE, SHORT, claim_values
from hosts.facts import gather
from hosts.upload import import_images, upload_files
from tasks.attempt import Where, attempt, step
from tasks.connection import locked_session
from tasks.script import run_script


@step("prepare-host", "host.name")
def prepare_host(planned: PlannedStep, spec: ClusterSpec, host: Host, where: Where) -> StepRecord:
    """Bring a host to where kubeadm can start; only what it lacks is uploaded."""
    with attempt("prepare-host", host.name, where, StepRecord) as this:
        bundle = load(ArtifactBundle, where.bundle)
        files = bundle.manifest().for_host(host.role.value, spec.cni.kind.value)
        session = locked_session(host, where)
        run_script(this, session, CLAIM_TEMPLATE, claim_values(spec, host), SHORT)
        # looked at again here: an earlier attempt, or a run that died, may have brought a part of it
        facts = gather(session, host)
        missing = [file for file in files if file.kind is not FileKind.IMAGE and file.content_sha256 not in facts.bundle_files]
        this.change(*upload_files(session, bundle.path, missing))
        assert planned.template is not None
        run_script(this, session, planned.template, planned.values, planned.limit)
        images = [file for file in files if file.kind is FileKind.IMAGE and not facts.images.issuperset(file.images)]
        this.change(*import_images(session, bundle.path, images))
        this.change("prepared")
        this.found = planned.reason
    return this.record
