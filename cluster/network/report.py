"""The results of one network check as verdict, table and JSON. kube/network_check creates the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cluster.network.checks import Check, CheckKind, Layer, words
from cluster.network.diagnosis import Finding, diagnose
from cluster.vocabulary.families import Family, family_name, family_names


@dataclass(frozen=True)
class NetworkReport:
    """All results of one network check."""

    families: tuple[Family, ...]
    nodes: tuple[str, ...]
    checks: tuple[Check, ...]
    seconds: float
    notes: tuple[str, ...] = field(default=())  # remarks that are no failures

    @property
    def failures(self) -> tuple[Check, ...]:
        """The results that are not ok."""
        return tuple(check for check in self.checks if not check.ok)

    @cached_property  # used by verdict, page, table and JSON; compares all pairs of failures
    def findings(self) -> tuple[Finding, ...]:
        """The faults, deepest layer first."""
        return diagnose(self.checks, self.families, self.nodes)

    @property
    def ok(self) -> bool:
        """Whether there are checks and all of them passed."""
        return bool(self.checks) and not self.failures

    @property
    def verdict(self) -> str:
        """The result in one or two sentences."""
        scope = f"{len(self.nodes)} {'node' if len(self.nodes) == 1 else 'nodes'} over {family_names(self.families)}"
        if not self.checks:
            return f"The network of {scope} was not checked."
        if self.ok:
            return f"The network works: {len(self.checks)} checks passed between {scope}."
        first, *others = self.findings
        more = f" (and {len(others)} more findings)" if len(others) > 1 else " (and one more finding)" if others else ""
        return f"The network of {scope} is broken at {first.summary}{more}. Look at {first.look_at}."

    def table_rows(self) -> list[dict[str, str]]:
        """One row per kind, layer and family: number of passed checks, and the first failure."""
        groups: dict[tuple[CheckKind, Layer, Family | None], list[Check]] = {}
        for check in self.checks:
            groups.setdefault((check.kind, check.layer, check.family), []).append(check)
        rows = []
        for (kind, layer, family), checks in groups.items():
            failed = [check for check in checks if not check.ok]
            rows.append(
                {
                    "check": words(kind),
                    "layer": words(layer),
                    "family": family_name(family) if family else "all",
                    "result": "ok" if not failed else "FAILED",
                    "passed": f"{len(checks) - len(failed)} of {len(checks)}",
                    "first failure": f"{failed[0].path}: {failed[0].detail}" if failed else "",
                }
            )
        return rows

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "ok": self.ok,
            "verdict": self.verdict,
            "seconds": round(self.seconds, 1),
            "families": [family.value for family in self.families],
            "nodes": list(self.nodes),
            "findings": [finding.as_dict() for finding in self.findings],
            "notes": list(self.notes),
            "checks": [check.as_dict() for check in self.checks],
        }
