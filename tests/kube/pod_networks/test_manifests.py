"""Files of a pod network of the owner's: read whole, refused with everything that is wrong, never quoted."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.spec import ClusterSpec
from kube.pod_networks import network_digest, network_documents, network_images
from kube.pod_networks.manifests import manifest_documents, manifest_problems
from tests.cluster.pod_networks.specs import spec_of

DAEMON_SET = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: net, namespace: kube-system, creationTimestamp: 2026-01-01T00:00:00Z}
spec:
  template:
    spec:
      initContainers: [{name: a, image: "example.org/install:v1"}]
      containers: [{name: b, image: "example.org/net:v1"}]
"""
LIST = """
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: net}}
- {apiVersion: v1, kind: Secret, metadata: {name: keys}, stringData: {key: %s}}
"""


def spec_with(*files: Path | str) -> ClusterSpec:
    """A cluster whose pod network comes from files."""
    return spec_of("ipv4", cni={"kind": "manifests", "files": [str(file) for file in files]})


def written(folder: Path, name: str, text: str) -> Path:
    """A file with a text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_objects_of_all_files_come_in_order(tmp_path: Path) -> None:
    """Empty documents are passed over, a List's items stand for it, a date stays a text."""
    spec = spec_with(written(tmp_path, "a.yaml", f"---\n{LIST % 'x'}---\n---\n"), written(tmp_path, "b.yaml", DAEMON_SET))
    documents = manifest_documents(spec)
    assert [document["kind"] for document in documents] == ["ServiceAccount", "Secret", "DaemonSet"]
    assert documents[2]["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert network_images(spec) == {"example.org/install:v1", "example.org/net:v1"}
    assert manifest_problems(spec) == ()


def test_a_secret_leaves_no_trace_in_the_digest(tmp_path: Path) -> None:
    """The digest becomes an annotation, and a short secret could be guessed from it; any other change is one of the digest."""
    digests = [
        network_digest(network_documents(spec_with(written(tmp_path, "a.yaml", f"{secret}---{workload}"))))
        for secret, workload in ((LIST % "x", DAEMON_SET), (LIST % "y", DAEMON_SET), (LIST % "y", DAEMON_SET.replace("net:v1", "net:v2")))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_quoted(tmp_path: Path) -> None:
    """One problem a file, with its place in the list; the text may be a Secret's."""
    files = (
        "relative.yaml",
        tmp_path / "missing.yaml",
        written(tmp_path, "torn.yaml", "a: [hunter2\nb: 'hunter2"),
        written(tmp_path, "empty.yaml", "---\n"),
        written(tmp_path, "other.yaml", "- hunter2\n---\n{kind: Secret, stringData: {key: hunter2}}\n"),
    )
    with pytest.raises(SpecError) as raised:
        manifest_documents(spec_with(*files))
    assert [(problem.code, problem.path) for problem in raised.value.problems] == [
        ("cni-file-unreadable", "cni.files[0]"),
        ("cni-file-missing", "cni.files[1]"),
        ("cni-file-malformed", "cni.files[2]"),
        ("cni-file-malformed", "cni.files[3]"),
        ("cni-file-malformed", "cni.files[4]"),
    ]
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 30_000,
        "{a: " * 30_000,
        "- " * 30_000 + "a",
        "{x: !!int y}",
        "{x: !!bool y}",
        "{x: !!timestamp y}",
        "{x: !!int ''}",
        "{x: 2026-01-01, y: !!timestamp 2026-01-01}",
        "&a [*a]",
        "&a {apiVersion: v1, kind: List, metadata: {name: a}, items: [*a]}",
        "x: .nan",
        "x: !!binary aaaa",
        "x: " + "9" * 5000,
        "? [a]\n: b",
        "\0",
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"b{n}: &{c} [{','.join([f'*{b}'] * 10)}]\n" for n, (b, c) in enumerate(pairwise("abcdefghi"))),
        "a: &a {x: 1}\n" + "".join(f"b{n}: &{c} {{<<: [{','.join([f'*{b}'] * 10)}]}}\n" for n, (b, c) in enumerate(pairwise("abcdefghi"))),
        "---\n1\n" * 20_000,
    ],
    ids=lambda text: text[:40],
)
def test_a_text_that_no_api_server_takes_is_one_problem(tmp_path: Path, text: str) -> None:
    """Deep nesting, tags with another content, aliases and merges that expand without an end, values that JSON does not have."""
    assert [problem.code for problem in manifest_problems(spec_with(written(tmp_path, "a.yaml", text)))] == ["cni-file-malformed"]


def test_files_without_a_workload_are_refused(tmp_path: Path) -> None:
    """A service account moves no packet; what was forgotten is said before a host is touched."""
    (problem,) = manifest_problems(spec_with(written(tmp_path, "a.yaml", LIST % "x")))
    assert problem.code == "cni-file-without-workload"


def test_other_kinds_have_no_files() -> None:
    """Nothing is read for them."""
    assert manifest_problems(spec_of("ipv4")) == ()
    assert network_documents(spec_of("ipv4", cni={"kind": "none"})) == []
