"""Proves a cluster's network: probe pods on every node try every path, and everything is removed afterwards.

One ordinary and one hostNetwork pod a node; each runs all its probes in one exec, side by side. Results are cluster/network_report.py's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from pathlib import Path

from cluster.errors import SixstackError
from cluster.network_report import Check, ExpectedNetwork, NetworkReport
from kube.client import Document, KubeApi
from kube.exec import run_in_pod
from kube.network_check.pods import Endpoint, ProbePods, probe_pods
from kube.network_check.probes import Probe, judge, plan_probes, written
from kube.network_check.static import check_nodes, check_pods
from kube.wait import NODES

OnProgress = Callable[[str], None]


def run(
    api: KubeApi,
    expected: ExpectedNetwork,
    probe_image: str,
    limit: timedelta = timedelta(minutes=3),
    on_progress: OnProgress = lambda _: None,
) -> NetworkReport:
    """Checks every path between the cluster's nodes and pods over each family; what is broken is in the report, not raised.

    Raises only what keeps the check itself from running (ApiUnavailable, ApiRefused).
    """
    start = time.monotonic()
    end = start + limit.total_seconds()
    nodes, left_out = _asked(api.get(NODES)["items"], expected)
    names = [str(node["metadata"]["name"]) for node in nodes]
    checks: list[Check] = check_nodes(nodes, expected)
    with probe_pods(api, names, expected.families, probe_image, until=end, on_progress=on_progress) as probes:
        checks += probes.failures
        checks += check_pods(probes.endpoints, expected.families)
        checks += _tried(api, probes, nodes, expected, end, on_progress)
    took = time.monotonic() - start
    notes = [*probes.notes, *(f"node {name} was left out: it is not asked for" for name in left_out)]
    report = NetworkReport(expected.families, tuple(names), tuple(checks), took, tuple(notes))
    on_progress(report.verdict)
    return report


def _asked(nodes: list[Document], expected: ExpectedNetwork) -> tuple[list[Document], list[str]]:
    """The nodes to check, by name, and the names of the others; all of them where none are asked for."""
    named = {str(node["metadata"]["name"]): node for node in nodes}
    wanted = sorted(name for name in named if name in expected.nodes or not expected.nodes)
    return [named[name] for name in wanted], sorted(set(named) - set(wanted))


def _tried(
    api: KubeApi, probes: ProbePods, nodes: list[Document], expected: ExpectedNetwork, end: float, on_progress: OnProgress
) -> list[Check]:
    plan = {
        source.name: (source, plan_probes(source, probes.endpoints, probes.service, nodes, expected.dns_domain))
        for source in probes.endpoints
    }
    on_progress(f"trying {sum(len(planned) for _, planned in plan.values())} paths from {len(plan)} probe pods")

    def from_one(source: Endpoint, planned: list[Probe]) -> list[Check]:
        left = timedelta(seconds=max(5.0, end - time.monotonic()))
        try:
            output = run_in_pod(api, probes.namespace, source.pod, ["sh", "-c", _script()], stdin=written(planned), limit=left)
        except SixstackError as error:
            return judge(planned, "", f"the probe pod on {source.node} could not try: {error}")
        silence = f"the probe pod on {source.node} said nothing of it (exit code {output.exit_code}): {output.stderr.strip()[:200]}"
        return judge(planned, output.stdout, silence)

    if not plan:
        return []
    with ThreadPoolExecutor(max_workers=16, thread_name_prefix="probe") as pool:
        return [check for found in pool.map(lambda pair: from_one(*pair), plan.values()) for check in found]


@cache
def _script() -> str:
    import templates

    return (Path(templates.__file__).parent / "probe" / "probe.sh").read_text(encoding="utf-8")
