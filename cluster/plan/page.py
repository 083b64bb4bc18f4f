"""A plan as Markdown, for the Prefect UI."""

from __future__ import annotations

from cluster.plan.graph import WAITS_FOR, Plan
from cluster.vocabulary.markdown import escape, table

# a larger graph is unreadable and slow to draw in browsers; the table has every step
_LARGEST_GRAPH = 80


def plan_page(plan: Plan) -> str:
    """Notes, a table of the steps, and the same content as a graph, last: the V2 UI draws Mermaid, the V1 UI shows its source."""
    parts = [f"# Plan for cluster {plan.cluster}", "\n".join(f"- {escape(note)}" for note in plan.notes)]
    if plan.empty:
        return "\n\n".join(part for part in (*parts, "Nothing to do: the cluster matches its file.") if part)
    rows = plan.table_rows()
    parts.append(table(list(rows[0]), ([escape(cell) for cell in row.values()] for row in rows)))
    parts.append(WAITS_FOR)
    if len(plan.steps) <= _LARGEST_GRAPH:
        parts.append(f"```mermaid\n{plan.as_mermaid()}\n```")
    else:
        parts.append(f"The graph has {len(plan.steps)} steps and is not drawn.")
    return "\n\n".join(part for part in parts if part)
