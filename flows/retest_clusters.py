"""Flow retest-clusters: stand-in with the signature of the flow, to register the deployment; it retests nothing."""

from __future__ import annotations

from prefect import flow


@flow(name="retest-clusters", validate_parameters=False, persist_result=False)
def retest_clusters(
    clusters: list[str] = [],  # noqa: B006
    keep_passed: bool = False,
    keep_failed: bool = False,
    wait_seconds: int = 7200,
) -> None:
    """Create, verify and delete clusters again on their test hosts, one after another.

    Args:
        clusters: Names of saved clusters. An empty list means every saved cluster whose file has `test_hosts: true`.
        keep_passed: Keep a cluster that passed.
        keep_failed: Keep a cluster that failed.
        wait_seconds: How long to wait for another run on the same cluster.
    """
    raise NotImplementedError
