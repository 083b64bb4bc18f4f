"""Names of flow runs: the operation, the cluster, and the two words that Prefect gave the run, which tell two runs apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from prefect.runtime import flow_run

LONGEST_NAME = 63  # of a block
_NAME = re.compile(r"""(?m)^name: *["']?([A-Za-z0-9][A-Za-z0-9-]{0,62})""")  # in the text of a cluster file, which is not read yet
_NO_NAME = "a cluster without a name"


def run_name(operation: str) -> Callable[[], str]:
    """A function for Prefect that returns OPERATION CLUSTER WORDS, for any document. The command prints these words when it starts the run."""

    def name() -> str:
        words = str(flow_run.name or "")
        wanted = f"{operation} {given_name() or _NO_NAME}" if "cluster" in flow_run.parameters else operation
        # the process of a run that crashed is followed by another one, which names the run again
        return words if words == wanted or words.startswith(f"{wanted} ") else f"{wanted} {words}".strip()

    return name


def given_name() -> str:
    """The name of the cluster in the parameters of this run, or of the saved cluster; "" without one."""
    document = flow_run.parameters.get("cluster")
    if isinstance(document, str):
        in_text = _NAME.search(document)
        return in_text[1] if in_text else document if len(document) <= LONGEST_NAME and "\n" not in document else ""
    name = document.get("name") if isinstance(document, Mapping) else getattr(document, "name", None)
    return str(name or "")
