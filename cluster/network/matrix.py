"""A network report as Markdown: verdict, findings, and results by node and family, in colours and words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cluster.network.checks import Check, CheckKind, Layer, words
from cluster.network.report import NetworkReport
from cluster.vocabulary.families import Family, family_name
from cluster.vocabulary.markdown import escape, table_row, table_rule

GOOD, BAD, NONE = "🟢", "🔴", "⚪"
_NOT_TRIED = f"{NONE}\N{NO-BREAK SPACE}not tried"

# limits of the page; the audit record and `--output json` have everything
MOST_NODES = 20
MOST_FAILURES = 30

# layers between two nodes, and the columns of the table per node
_BETWEEN = frozenset({Layer.NODE_NETWORK, Layer.POD_NETWORK, Layer.EGRESS})
_COLUMNS: tuple[tuple[str, frozenset[CheckKind]], ...] = (
    ("largest packet", frozenset({CheckKind.MTU})),
    ("seen outside as", frozenset({CheckKind.SOURCE_ADDRESS, CheckKind.OUTSIDE})),
    ("ClusterIP", frozenset({CheckKind.CLUSTER_IP, CheckKind.SESSION_AFFINITY})),
    ("NodePort", frozenset({CheckKind.NODE_PORT})),
    ("DNS", frozenset({CheckKind.DNS, CheckKind.HEADLESS})),
    ("reverse DNS", frozenset({CheckKind.REVERSE_DNS})),
    ("NetworkPolicy", frozenset({CheckKind.NETWORK_POLICY})),
)


def markdown(report: NetworkReport, cluster: str) -> str:
    """The report as Markdown."""
    parts = [f"## {GOOD if report.ok else BAD} Network of cluster {cluster}", "", report.verdict, ""]
    if report.findings:
        parts += ["### What is broken", ""]
        for finding in report.findings:
            parts += [f"- {BAD} **{escape(finding.summary)}**", f"  Look at {finding.look_at}."]
        parts.append("")
    for family in report.families:
        parts += [f"### Between nodes over {family_name(family)}", "", *_matrix(report, family), ""]
    parts += ["### At each node", "", *_at_nodes(report), ""]
    parts += ["### Nodes, pods and services", "", *_static(report), ""]
    if report.failures:
        parts += [f"### Failed checks ({len(report.failures)})", "", *_failed(report.failures), ""]
    parts += [f"- {note}" for note in report.notes]
    parts.append(
        f"\n{len(report.checks)} checks in {report.seconds:.1f} s. "
        "Rows are sources, columns are targets: ping and HTTP between node addresses, and to and from pods on these nodes."
    )
    return "\n".join(parts)


def _matrix(report: NetworkReport, family: Family) -> list[str]:
    between = [
        check for check in report.checks if check.layer in _BETWEEN and check.family is family and check.source_node and check.target_node
    ]
    nodes = report.nodes[:MOST_NODES]
    rows = [table_row(_unbroken("from \\ to"), *map(escape, nodes)), table_rule(len(nodes) + 1)]
    for source in nodes:
        cells = [_state([check for check in between if (check.source_node, check.target_node) == (source, target)]) for target in nodes]
        rows.append(table_row(f"**{escape(source)}**", *cells))
    if len(report.nodes) > MOST_NODES:
        rows += ["", f"{len(report.nodes) - MOST_NODES} more nodes are not shown. Their failed checks are listed below."]
    return rows


def _at_nodes(report: NetworkReport) -> list[str]:
    columns = [(name, kinds) for name, kinds in _COLUMNS if any(check.kind in kinds for check in report.checks)]
    rows = [table_row("node", "family", *(name for name, _ in columns)), table_rule(len(columns) + 2)]
    for node in report.nodes[:MOST_NODES]:
        for family in report.families:
            here = [check for check in report.checks if check.family is family and check.source_node == node]
            rows.append(table_row(f"**{escape(node)}**", family_name(family), *(_measured(here, kinds) for _, kinds in columns)))
    return rows


def _static(report: NetworkReport) -> list[str]:
    rows = [table_row("what", "result"), table_rule(2)]
    for kind in CheckKind:
        found = [check for check in report.checks if check.kind is kind and check.family is None]
        if found:
            rows.append(table_row(words(kind), _state(found)))
    return rows


def _state(checks: Sequence[Check]) -> str:
    if not checks:
        return _NOT_TRIED
    failed = [check for check in checks if not check.ok]
    if not failed:
        return _unbroken(f"{GOOD} {len(checks)} ok")
    by_layer: dict[Layer, list[str]] = {}
    for check in failed:
        kinds_of_layer = by_layer.setdefault(check.layer, [])
        if words(check.kind) not in kinds_of_layer:
            kinds_of_layer.append(words(check.kind))
    what = "; ".join(f"{words(layer)}: {', '.join(kinds)}" for layer, kinds in by_layer.items())
    return f"{BAD} {len(failed)} of {len(checks)}: {what}"


def _measured(checks: Sequence[Check], kinds: Iterable[CheckKind]) -> str:
    """The state of some kinds, and the measured value if all checks have the same."""
    found = [check for check in checks if check.kind in kinds]
    failed = [check for check in found if not check.ok]
    if not found:
        return _NOT_TRIED
    if failed:
        return _unbroken(f"{BAD} {len(failed)} of {len(found)} failed")
    measured = list(dict.fromkeys(check.detail.removeprefix("seen as ") for check in found if check.detail and check.target))
    return _unbroken(f"{GOOD} {escape(measured[0]) if len(measured) == 1 else f'{len(found)} ok'}")


def _failed(failures: Sequence[Check]) -> list[str]:
    rows = [table_row("layer", "check", "family", "from", "to", "result"), table_rule(6)]
    for check in failures[:MOST_FAILURES]:
        family = family_name(check.family) if check.family else "all"
        found = (check.source, check.target or "-", check.detail)
        rows.append(table_row(words(check.layer), words(check.kind), family, *map(escape, found)))
    if len(failures) > MOST_FAILURES:
        rows += ["", f"... and {len(failures) - MOST_FAILURES} more, in the audit record of this run."]
    return rows


def _unbroken(text: str) -> str:
    """Prevent line breaks in a short cell."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")
