"""The readers of input that is written elsewhere, each as a function that raises for a wrong result. None may raise for a wrong input."""

from __future__ import annotations

import contextlib
import copy
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import yaml

from bundle.faults import BundleFault
from bundle.manifest import read_manifest
from bundle.sources import read_sources
from cli.cluster_argument import problem_lines
from cluster.facts.parse import parse, parse_certificates
from cluster.file.reader import SHAPES, Reading, read_document, read_text
from cluster.rules.component_fields import KUBE_PROXY, KUBELET
from cluster.rules.registry import RULES
from cluster.vocabulary.errors import EnvironmentFault, HostError
from cluster.vocabulary.problems import MOST_PROBLEMS, Problem, Severity
from cluster.vocabulary.releases import RELEASES
from cluster.vocabulary.spec import ClusterSpec
from importers.choices import Choices
from importers.formats import Format, import_files
from importers.sources import Source
from kube.kubeconfig import read_kubeconfig
from kube.pod_networks.manifests import manifest_problems
from kube.state import _kubeadm
from runs.given_cluster import given_text
from tests.fuzz.inputs import EXAMPLES, as_json, changed, component_fields, damaged, document
from tests.importers.k0sctl import samples as k0sctl
from tests.importers.kubespray import samples as kubespray
from tests.importers.tkestack.samples import CASES
from tests.issued_certificates import Authority

_ROOT = Path(__file__).parents[2]
_KNOWN = {*SHAPES, *(rule.code for rule in RULES)}
_GOOD = [yaml.safe_load(text) for text in EXAMPLES]
_FACTS = tuple(path.read_bytes() for path in sorted((_ROOT / "tests/cluster/facts/recorded").glob("*.txt")))
_CERTIFICATES = (
    b"@@ sixstack begin\n1.0\n@@ sixstack sixstack\nowner demo\n@@ sixstack certificates\n"
    b"file 1795694400 /etc/kubernetes/pki/ca.crt\n" + Authority.new().pem.encode() + b"kubeconfig 1795694400 /etc/kubernetes/kubelet.conf\n"
    b"reference /var/lib/kubelet/pki/kubelet-client-current.pem\n"
    + Authority.new().issue("a", "b", ("c", "::1"))[0].encode()
    + b"authority-key /a\n"
    b"started kube-controller 1795694400\nunfinished renewal\n@@ sixstack end\n2.0\n",
)
_NETWORK = (
    b"apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: net}\nspec: {template: {spec: {containers: [{name: a, image: b}]}}}\n---\n"
)
_LIST = json.dumps({"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(_NETWORK.removesuffix(b"---\n"))]}).encode()
_KUBECONFIG = yaml.safe_dump(
    {
        "current-context": "a@demo",
        "contexts": [{"name": "a@demo", "context": {"cluster": "demo", "user": "a"}}],
        "clusters": [{"name": "demo", "cluster": {"server": "https://[fd66::11]:6443", "certificate-authority-data": "LS0tLS0="}}],
        "users": [{"name": "a", "user": {"token": "t"}}],
    }
).encode()
_MANIFEST = json.dumps({"files": [], "images": []}).encode()
_CLUSTER_FILES = tuple(text.encode() for text in EXAMPLES)
_TKESTACK = tuple(json.dumps(item).encode() for case in CASES.values() for item in case)


def assert_reading(reading: Reading) -> None:
    """What holds for every cluster file."""
    errors = [problem for problem in reading.problems if problem.severity is Severity.ERROR]
    assert (reading.spec is None) == bool(errors)
    assert len(reading.problems) <= MOST_PROBLEMS + 1
    for problem in reading.problems:
        reading.line(problem.path)
        assert problem.code in _KNOWN, problem.code
    assert_problems(reading.problems)
    if reading.spec is not None:
        assert ClusterSpec.model_validate(reading.spec.model_dump(mode="json")) == reading.spec


def assert_problems(problems: tuple[Problem, ...]) -> None:
    """They can be printed on a terminal and stored by Prefect, and are short."""
    for problem in problems:
        for text in (problem.path, problem.message, problem.hint):
            assert text, problem
            assert text.isprintable(), problem
            assert len(text) < 1000, problem
    problem_lines(problems).encode()
    json.dumps([problem.as_dict() for problem in problems]).encode()


def _cluster_text(data: bytes) -> None:
    assert_reading(read_text(data.decode(errors="surrogateescape")))


def _cluster_data(value: Any) -> None:
    assert_reading(read_document(value))
    assert_reading(read_text(as_json(value)))


def _parameters(data: bytes) -> None:
    given_text(data.decode(errors="replace"))


def _in_folder(name: str, data: bytes, read: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        read(path)


def _network_files(data: bytes) -> None:
    def read(path: Path) -> None:
        spec = read_document({**_GOOD[0], "cni": {"kind": "manifests", "files": [str(path)]}}).spec
        assert spec is not None
        assert_problems(manifest_problems(spec))

    _in_folder("network.yaml", data, read)


def _bundle_manifest(data: bytes) -> None:
    def read(path: Path) -> None:
        with contextlib.suppress(BundleFault, EnvironmentFault):
            read_manifest(path.parent)

    _in_folder("manifest.json", data, read)


def _bundle_sources(data: bytes) -> None:
    def read(path: Path) -> None:
        with contextlib.suppress(BundleFault, EnvironmentFault):
            read_sources(path)

    _in_folder("sources.yaml", data, read)


def _import(tool: Format, *names: str) -> Callable[[bytes], None]:
    """Read files of another tool: each of these names gets the text or its first half."""

    def read(data: bytes) -> None:
        text = data.decode(errors="replace")
        sources = [Source(name, text[: len(text) // (number + 1)]) for number, name in enumerate(names)]
        result = import_files(sources, Choices(), tool=tool)
        assert_problems(result.problems)
        if result.document is not None:
            yaml.safe_dump(result.document)

    return read


_tkestack = _import(Format.TKESTACK, "cluster.json", "machine.json")
_kubespray = _import(Format.KUBESPRAY, "hosts.yaml", "group_vars/all.yml")
_k0sctl = _import(Format.K0SCTL, "k0sctl.yaml")


def _kubeconfig(data: bytes) -> None:
    with contextlib.suppress(EnvironmentFault):
        read_kubeconfig(data.decode(errors="replace"))


def _kubeadm_document(data: bytes) -> None:
    assert isinstance(_kubeadm({"a": {"data": {"b": data.decode(errors="replace")}}}, "a", "b"), dict)


def _facts(data: bytes) -> None:
    with contextlib.suppress(HostError):
        parse(data.decode(errors="replace"), "node-1", sent=0.0, received=1.0)


def _certificates(data: bytes) -> None:
    with contextlib.suppress(HostError):
        for file in parse_certificates(data.decode(errors="replace"), "node-1").files:
            assert (file.certificate is None) == bool(file.fault)


def _bytes(texts: tuple[bytes, ...]) -> Callable[[Random], bytes]:
    return lambda random: damaged(random, texts)


def _near(texts: tuple[bytes, ...]) -> Callable[[Random], bytes]:
    documents = [next(iter(yaml.safe_load_all(text))) for text in texts]
    return lambda random: as_json(changed(random, random.choice(documents))).encode(errors="surrogatepass")


def _document(random: Random) -> Any:
    return document(random) if random.random() < 0.5 else changed(random, copy.deepcopy(random.choice(_GOOD)))


def _components(random: Random) -> Any:
    version = random.choice((*(release.kubernetes for release in RELEASES), "1.34.1", "1.38.0", "2.0.0"))
    fields = {"kubelet": component_fields(random, KUBELET), "kube_proxy": component_fields(random, KUBE_PROXY)}
    return {**copy.deepcopy(random.choice(_GOOD)), "kubernetes_version": version, "kubeadm": fields}


# name -> how to make an input, and how to read it
STRUCTURE: dict[str, tuple[Callable[[Random], Any], Callable[[Any], None]]] = {
    "cluster file": (_document, _cluster_data),
    "component fields": (_components, _cluster_data),
    "tkestack documents": (_near(_TKESTACK), _tkestack),
    "kubespray inventory": (_near((kubespray.HOSTS.encode(),)), _kubespray),
    "k0sctl file": (_near((k0sctl.CLUSTER.encode(),)), _k0sctl),
    "network files": (_near((_NETWORK, _LIST)), _network_files),
    "kubeconfig": (_near((_KUBECONFIG,)), _kubeconfig),
    "bundle manifest": (_near((_MANIFEST,)), _bundle_manifest),
}
BYTES: dict[str, tuple[Callable[[Random], Any], Callable[[Any], None]]] = {
    "cluster file": (_bytes(_CLUSTER_FILES), _cluster_text),
    "parameters": (_bytes(_CLUSTER_FILES), _parameters),
    "network files": (_bytes((_NETWORK, _LIST)), _network_files),
    "tkestack documents": (_bytes(_TKESTACK), _tkestack),
    "kubespray inventory": (_bytes((kubespray.HOSTS.encode(), kubespray.INI.encode(), kubespray.DUAL_STACK.encode())), _kubespray),
    "k0sctl file": (_bytes((k0sctl.CLUSTER.encode(),)), _k0sctl),
    "kubeconfig": (_bytes((_KUBECONFIG,)), _kubeconfig),
    "kubeadm document": (_bytes((_KUBECONFIG,)), _kubeadm_document),
    "bundle manifest": (_bytes((_MANIFEST,)), _bundle_manifest),
    "bundle sources": (_bytes(((_ROOT / "bundle/sources.yaml").read_bytes(),)), _bundle_sources),
    "host facts": (_bytes(_FACTS), _facts),
    "host certificates": (_bytes(_CERTIFICATES), _certificates),
}
