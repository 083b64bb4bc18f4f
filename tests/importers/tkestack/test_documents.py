"""Files as Cluster and Machine documents."""

import json
from typing import Any

import pytest
import yaml

from importers.report import Report
from importers.sources import Source
from importers.tkestack.convert import import_tkestack
from importers.tkestack.documents import read_sources
from tests.importers.tkestack.samples import CASES, TRUSTING, WORKER, dual_stack_cluster, imported, worker


def kinds(*texts: str) -> list[str]:
    """The kinds of the documents in files a, b ..., none of which has a fault."""
    report = Report()
    found = read_sources([Source(chr(97 + index), text) for index, text in enumerate(texts)], report)
    assert report.problems == []
    return [resource.kind.value for resource in found.resources]


@pytest.mark.parametrize("kind", [("v1", "List"), ("platform.tkestack.io/v1", "MachineList")], ids=lambda kind: kind[1])
def test_lists_are_read(kind: tuple[str, str]) -> None:
    """As `kubectl get -o json` prints them."""
    listed = {"apiVersion": kind[0], "kind": kind[1], "items": list(CASES["ipv6"]), "metadata": {"resourceVersion": ""}}
    assert kinds(json.dumps(listed)) == ["Cluster", "Machine"]


def test_several_documents_of_one_yaml_file_are_read() -> None:
    """Comments and empty documents between them are passed over."""
    text = "# of ours\n---\n" + "\n---\n".join(yaml.safe_dump(document) for document in CASES["ipv6"]) + "\n---\n# end\n"
    assert kinds(text) == ["Cluster", "Machine"]


def test_yaml_and_json_mean_the_same() -> None:
    """Whatever the way of writing, in one file or in two."""
    as_json = imported(*CASES["dual-stack"])
    text = "---\n".join(yaml.safe_dump(document) for document in CASES["dual-stack"])
    assert import_tkestack([Source("all.yaml", text)], TRUSTING).document == as_json.document


def test_a_problem_has_its_line() -> None:
    """Counted from the top of the file, in a later document too."""
    text = yaml.safe_dump(dual_stack_cluster()) + "---\n" + yaml.safe_dump(worker("nowhere", "c"), sort_keys=False)
    result = import_tkestack([Source("all.yaml", text)], TRUSTING)
    (problem,) = [problem for problem in result.problems if problem.code == "not-an-address"]
    assert problem.path == "all.yaml#2: spec.ip"
    assert text.splitlines()[result.lines[problem.path] - 1].strip() == "ip: nowhere"


@pytest.mark.parametrize(
    "password", ["*hunter2", "&hunter2 x", "!hunter2 x", "'hunter2", "%hunter2", "hunter2: hunter2", "[hunter2", "hunter2\t: x"]
)
def test_a_fault_of_syntax_quotes_nothing(password: Any) -> None:
    """A password that nobody put into quotes, or encoded, is in no message."""
    text = yaml.safe_dump(worker(WORKER["ipv4"], "c")).replace("password: ", f"password: {password}\n  x: ")
    result = import_tkestack([Source("a.yaml", text)], TRUSTING)
    assert result.problems
    said = [str(change) for change in result.changes] + [f"{problem.message} {problem.hint}" for problem in result.problems]
    assert [line for line in said if "hunter2" in line] == []


def test_an_empty_file_is_a_fault() -> None:
    """It was the wrong file."""
    assert [problem.code for problem in import_tkestack([Source("a", "\n# nothing\n")], TRUSTING).problems] == [
        "missing-value",
        "no-cluster-document",
    ]
