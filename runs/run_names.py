"""Names of flow runs: the operation and the cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prefect.runtime import flow_run

LONGEST_NAME = 63  # of a block


def run_name(verb: str) -> Callable[[], str]:
    """A function for Prefect that returns VERB CLUSTER, for any document."""

    def name() -> str:
        document = flow_run.parameters.get("cluster")
        if isinstance(document, str) and len(document) <= LONGEST_NAME:  # a saved cluster
            return f"{verb} {document}"
        cluster = document.get("name") if isinstance(document, Mapping) else getattr(document, "name", None)
        return f"{verb} {cluster or 'a cluster without a name'}"

    return name
