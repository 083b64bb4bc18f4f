"""Flow save-cluster: check a cluster file and save it, so that forms, schedules and commands take its name."""

from __future__ import annotations

from prefect import flow

from cluster.file.saved import fields_text, saved_text
from cluster.vocabulary.forms import ClusterForm, FileText
from runs.cluster_run import run_context
from runs.conclusion import conclude
from runs.given_cluster import given_text
from runs.reported_flow import reported
from runs.run_names import run_name
from tasks.save_cluster import save_cluster_file
from tasks.validate import validate


@flow(name="save-cluster", flow_run_name=run_name("save"), validate_parameters=False, persist_result=False, result_serializer="json")
@reported
def save_cluster(cluster: FileText | ClusterForm, overwrite: bool = False) -> None:
    """Check a cluster file offline and save it as a Saved cluster block, under the name of the cluster.

    Args:
        cluster: The text of a cluster file (YAML or JSON), or a short form.
        overwrite: Replace the saved file of this name if it differs.
    """
    given = given_text(cluster)
    run = run_context(given.fields)
    spec = validate(given, run)
    text = saved_text(given.text, spec) if isinstance(cluster, str) else fields_text(spec)
    outcome = save_cluster_file(text, run, overwrite=overwrite)
    conclude(run, f"cluster {spec.name} is saved with {', '.join(host.name for host in spec.hosts)}: {outcome}", succeeded=True)
