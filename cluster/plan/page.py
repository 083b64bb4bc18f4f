"""A plan as Markdown, for the Prefect UI."""

from __future__ import annotations

from cluster.plan.graph import WAITS_FOR, Plan

# a larger graph is unreadable and slow to draw in browsers; the table has every step
_LARGEST_GRAPH = 80


# punctuation that Markdown gives a meaning inside a line (https://spec.commonmark.org/0.31.2/#backslash-escapes)
_MARKUP = frozenset("\\`*_[]!|~")


def plan_page(plan: Plan) -> str:
    """Notes, the graph (the V2 UI draws Mermaid, the V1 UI shows its source), and the same content as a table."""
    parts = [f"# Plan for cluster {plan.cluster}", "\n".join(f"- {_cell(note)}" for note in plan.notes)]
    if plan.empty:
        return "\n\n".join(part for part in (*parts, "Nothing to do: the cluster matches its file.") if part)
    if len(plan.steps) <= _LARGEST_GRAPH:
        parts.append(f"```mermaid\n{plan.as_mermaid()}\n```")
    else:
        parts.append(f"The graph has {len(plan.steps)} steps and is not drawn.")
    rows = plan.table_rows()
    head = list(rows[0])
    table = [head, ["---"] * len(head), *([_cell(cell) for cell in row.values()] for row in rows)]
    parts.append("\n".join(f"| {' | '.join(row)} |" for row in table))
    parts.append(WAITS_FOR)
    return "\n\n".join(part for part in parts if part)


def _cell(text: str) -> str:
    """Text that stays inside one table cell and contains no markup: hosts and the API server wrote some of it."""
    return "".join(
        f"\\{letter}" if letter in _MARKUP else "&lt;" if letter == "<" else "&amp;" if letter == "&" else letter
        for letter in " ".join(text.split())
    )
