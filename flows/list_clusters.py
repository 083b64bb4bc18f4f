"""Flow list-clusters: the overview of all known clusters as an artifact."""

from __future__ import annotations

from prefect import flow

from runs.overview import publish_overview
from runs.reported_flow import reported
from runs.run_names import run_name


@flow(
    name="list-clusters", flow_run_name=run_name("list clusters"), validate_parameters=False, persist_result=False, result_serializer="json"
)
@reported
def list_clusters() -> None:
    """Ask every known cluster for its nodes, and write the overview: stack mode, version, nodes ready, last run, last network check,
    next expiry of a certificate, drift, last backup."""
    publish_overview()
