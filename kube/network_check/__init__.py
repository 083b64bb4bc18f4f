"""The check of a cluster's network: probe pods on every node test every path, and are removed afterwards.

Each node has one ordinary and one hostNetwork pod. Each pod runs all its probes in parallel in one exec. cluster/network/report.py has the results.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from cluster.network.checks import Check, CheckKind, Layer
from cluster.network.expected import ExpectedNetwork
from cluster.network.report import NetworkReport
from cluster.vocabulary.errors import SixstackError
from cluster.vocabulary.families import Family
from kube.client import Document, KubeApi
from kube.exec import ExecOutput, run_in_pod
from kube.network_check.answers import decode, encode, judge
from kube.network_check.fragments import check_fragments, fragment_probes, fragments_created
from kube.network_check.pairs import describe_sample, pairs_to_try
from kube.network_check.pods import ProbePods, probe_pods
from kube.network_check.policies import check_policies
from kube.network_check.probes import Probe, ProbeScope, mtu_probes, plan_probes
from kube.network_check.settings import Settings
from kube.network_check.static import check_labels, check_nodes, check_pods
from kube.wait import NODES

__all__ = ["NetworkCheck", "Settings", "network_check", "run"]

OnProgress = Callable[[str], None]


def run(api: KubeApi, expected: ExpectedNetwork, settings: Settings, on_progress: OnProgress = lambda _: None) -> NetworkReport:
    """Check every path between nodes and pods over each family. Broken paths are in the report and raise no error.

    Raises only errors that prevent the check itself (ApiUnavailable, ApiRefused).
    """
    start = time.monotonic()
    with network_check(api, expected, settings, on_progress) as check:
        report = check.report()
    # the removal of the probe pods may add notes
    report = replace(report, seconds=time.monotonic() - start, notes=tuple(dict.fromkeys([*report.notes, *check.probes.notes])))
    on_progress(report.verdict)
    return report


@contextmanager
def network_check(
    api: KubeApi, expected: ExpectedNetwork, settings: Settings, on_progress: OnProgress = lambda _: None
) -> Iterator[NetworkCheck]:
    """Start the probe pods for any number of reports, and remove them at the end."""
    end = time.monotonic() + settings.limit.total_seconds()
    nodes, left_out = _select_nodes(api.get(NODES)["items"], expected)
    names = [str(node["metadata"]["name"]) for node in nodes]
    with probe_pods(api, names, expected.families, settings, until=end, on_progress=on_progress) as probes:
        if left_out:
            probes.notes.append(f"not checked, because not among the expected nodes: {', '.join(left_out)}")
        yield NetworkCheck(api, expected, settings, probes, on_progress)


@dataclass(frozen=True, slots=True)
class NetworkCheck:
    """A check with running probe pods."""

    api: KubeApi
    expected: ExpectedNetwork
    settings: Settings
    probes: ProbePods
    on_progress: OnProgress

    def report(self) -> NetworkReport:
        """Check the network now."""
        start = time.monotonic()
        nodes, _ = _select_nodes(self.api.get(NODES)["items"], self.expected)
        names = [str(node["metadata"]["name"]) for node in nodes]
        pairs = pairs_to_try(names)
        scope = ProbeScope(self.probes.endpoints, self.probes.services, self.probes.namespace, nodes, pairs, self.expected, self.settings)
        checks: list[Check] = [*check_nodes(nodes, self.expected), *check_labels(nodes, self.expected), *self.probes.found]
        checks += check_pods(self.probes.endpoints, nodes, self.expected)
        paths = self._paths(scope)
        checks += paths
        checks += self._mtu(scope, {(check.source, check.target) for check in paths if check.kind is CheckKind.PING and not check.ok})
        notes = [*self.probes.notes, describe_sample(pairs)]
        if self.settings.full:
            found, note = check_policies(self.api, scope, self._run_policy_probes)
            checks += found
            notes.append(note)
        return NetworkReport(self.expected.families, tuple(names), tuple(checks), time.monotonic() - start, tuple(filter(None, notes)))

    def _paths(self, scope: ProbeScope) -> list[Check]:
        plan = {source.pod: plan_probes(source, scope) for source in scope.endpoints}
        self.on_progress(f"probing {sum(map(len, plan.values()))} paths from {len(plan)} probe pods")
        return self._run_probes(plan, self.settings)

    def _mtu(self, scope: ProbeScope, lost: Collection[tuple[str, str]]) -> list[Check]:
        """Send large packets, and read the counters of the nodes before and after."""
        large = {source.pod: mtu_probes(source, scope, lost) for source in scope.ordinary}
        counters = {source.pod: fragment_probes(source, self.expected.families) for source in scope.endpoints if source.host_network}
        before = self._fragments(counters)
        checks = self._run_probes(large, self.settings)
        after = self._fragments(counters)
        return checks + check_fragments([probe for probes in large.values() for probe in probes], before, after)

    def _fragments(self, counters: Mapping[str, Sequence[Probe]]) -> dict[tuple[str, Family], int | None]:
        found: dict[tuple[str, Family], int | None] = {}
        for probes, output in self._answers(counters, self.settings):
            answers = {} if isinstance(output, SixstackError) else decode(output.stdout)
            for number, probe in enumerate(probes):
                found[probe.source_node, probe.family] = fragments_created(probe.family, answers.get(number, (1, ""))[1])
        return found

    def _run_policy_probes(self, plan: dict[str, list[Probe]], all_tries: bool) -> list[Check]:
        return self._run_probes(plan, self.settings if all_tries else replace(self.settings, tries=1, seconds=1))

    def _run_probes(self, plan: Mapping[str, Sequence[Probe]], settings: Settings) -> list[Check]:
        checks: list[Check] = []
        for probes, output in self._answers(plan, settings):
            source, node = probes[0].source, probes[0].source_node
            if isinstance(output, SixstackError):
                # the probe pod could not run its probes, so its paths were not checked
                detail = f"the probe pod could not run {len(probes)} probes: {output}"
                checks.append(Check(CheckKind.PROBE, None, source, "", Layer.NODE, False, detail, source_node=node))
            else:
                no_output = f"the probe pod of {source} reported no result (exit code {output.exit_code}): {output.stderr.strip()[:200]}"
                checks += judge(probes, output.stdout, no_output)
        return checks

    def _answers(self, plan: Mapping[str, Sequence[Probe]], settings: Settings) -> list[tuple[Sequence[Probe], ExecOutput | SixstackError]]:
        """The probes of each pod, with the output of its script or the error that prevented it."""

        def run_on(pod: str, probes: Sequence[Probe]) -> tuple[Sequence[Probe], ExecOutput | SixstackError]:
            script = ["sh", "-c", _script()]
            try:
                return probes, run_in_pod(
                    self.api, self.probes.namespace, pod, script, stdin=encode(probes, settings), limit=settings.limit
                )
            except SixstackError as error:
                return probes, error

        asked = [(pod, probes) for pod, probes in plan.items() if probes]
        if not asked:
            return []
        with ThreadPoolExecutor(max_workers=16, thread_name_prefix="probe") as pool:
            return list(pool.map(lambda pair: run_on(*pair), asked))


def _select_nodes(nodes: list[Document], expected: ExpectedNetwork) -> tuple[list[Document], list[str]]:
    """The nodes to check, sorted by name, and the names of the others; all nodes when `expected` names none."""
    named = {str(node["metadata"]["name"]): node for node in nodes}
    wanted = sorted(name for name in named if name in expected.nodes or not expected.nodes)
    return [named[name] for name in wanted], sorted(set(named) - set(wanted))


@cache
def _script() -> str:
    import templates

    return (Path(templates.__file__).parent / "probe" / "probe.sh").read_text(encoding="utf-8")
