"""Reading a cluster file gives a spec or every problem, and never raises."""

from __future__ import annotations

import copy
import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.file.reader import SHAPES, Reading, read_document, read_text
from cluster.rules.registry import RULES
from cluster.vocabulary.families import Family
from cluster.vocabulary.problems import MOST_PROBLEMS, Problem, ProblemList, Severity
from cluster.vocabulary.spec import ClusterSpec, Unparsed

EXAMPLES = sorted((Path(__file__).parents[3] / "deployments/examples").glob("*.yaml"))
GOOD: list[dict[str, Any]] = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in EXAMPLES]

TEN_FAULTS = """\
name: Demo
kubernetes_version: 1.36.3
stack: dual-stack
hosts:
  - name: node-1
    role: control-plane
    ssh: {address: 198.18.0.11, port: "22", host_key: trust-on-first-use}
    addresses: [198.18.0.11, fd66::11::1]
  - name: node-1
    role: workr
    ssh: {adress: 198.18.0.12, address: 198.18.0.12, host_key: trust-on-first-use}
    interface: "eth0
network:
  pods: [{cidr: 10.244.1.0/16}, {cidr: "fd44::/64"}]
  services: [10.96.0.0/16, "fd44::/112"]
"""


def codes(reading: Reading) -> list[tuple[str, str]]:
    """Code and path of each problem."""
    return [(problem.code, problem.path) for problem in reading.problems]


class TestExamples:
    """The example files are valid, and pydantic reads the same values."""

    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
    def test_an_example_has_no_problem(self, path: Path) -> None:
        """Not even a warning."""
        assert read_text(path.read_text(encoding="utf-8")).problems == ()

    @pytest.mark.parametrize("document", GOOD, ids=lambda document: document["stack"])
    def test_pydantic_reads_the_same(self, document: dict[str, Any]) -> None:
        """The Prefect UI uses the schema of the models, so both must agree."""
        reading = read_document(document)
        assert reading.spec == ClusterSpec.model_validate(document)

    @pytest.mark.parametrize("document", GOOD, ids=lambda document: document["stack"])
    def test_a_spec_written_and_read_again_is_the_same(self, document: dict[str, Any]) -> None:
        """spec -> data -> spec, with and without explicit defaults."""
        spec = read_document(document).spec
        assert spec is not None
        assert read_document(spec.model_dump(mode="json")).spec == spec
        assert read_text(json.dumps(spec.model_dump(mode="json", exclude_unset=True))).spec == spec

    def test_every_stack_mode_has_an_example(self) -> None:
        """IPv4, dual-stack with either family first, IPv6."""
        assert sorted((d["stack"], d.get("primary_family", "ipv4")) for d in GOOD) == [
            ("dual-stack", "ipv4"),
            ("dual-stack", "ipv6"),
            ("ipv4", "ipv4"),
            ("ipv6", "ipv4"),
        ]


class TestAllAtOnce:
    """Faults of all kinds are reported together."""

    def test_ten_faults_of_mixed_kinds_are_all_listed(self) -> None:
        """Syntax, type, choice, unknown field, malformed values and cross-field faults."""
        reading = read_text(TEN_FAULTS)
        assert reading.spec is None
        assert set(codes(reading)) == {
            ("syntax", "line 12"),
            ("malformed", "name"),
            ("wrong-type", "hosts[0].ssh.port"),
            ("not-an-address", "hosts[0].addresses[1]"),
            ("duplicate-node-name", "hosts[1].name"),
            ("not-in-choices", "hosts[1].role"),
            ("unknown-field", "hosts[1].ssh.adress"),
            ("host-bits-set", "network.pods[0].cidr"),
            ("pod-range-too-small", "network.pods[1].cidr"),
            ("ranges-overlap", "network.services[1]"),
        }

    def test_faults_of_one_host_do_not_hide_faults_of_other_hosts(self) -> None:
        """The third host is checked even if the first is not a mapping and the name of the second cannot be read."""
        document = copy.deepcopy(GOOD[1])
        document["hosts"][0] = "node-1"
        document["hosts"][1]["name"] = 5
        document["hosts"][2]["name"] = "Node 3"
        found = codes(read_document(document))
        assert ("wrong-type", "hosts[0]") in found
        assert ("wrong-type", "hosts[1].name") in found
        assert ("malformed-node-name", "hosts[2].name") in found

    def test_a_warning_comes_with_the_spec(self) -> None:
        """Only errors prevent a spec."""
        document = copy.deepcopy(GOOD[-1])
        document["network"]["pods"][0]["cidr"] = "2001:db8:44::/56"
        reading = read_document(document)
        assert reading.spec is not None
        assert [problem.severity for problem in reading.problems] == [Severity.WARNING]


class TestMessages:
    """Messages have the value, hints have the fix, and neither has a secret."""

    @pytest.mark.parametrize(
        ("change", "code", "path", "words"),
        [
            ({"stak": "ipv4"}, "unknown-field", "stak", "`stack`"),
            ({"hosts": []}, "missing-value", "hosts", "at least one"),
            ({"hosts": None}, "missing-value", "hosts", "value"),
            ({"name": None}, "missing-value", "name", "value"),
            ({"name": ""}, "malformed", "name", "letter"),
            ({"name": "a" * 41}, "too-long", "name", "40"),
            ({"name": "a\n"}, "control-character", "name", "remove"),
            ({"kubernetes_version": 1.36}, "wrong-type", "kubernetes_version", "quotes"),
            ({"kubernetes_version": "1.36"}, "malformed", "kubernetes_version", "three numbers"),
            ({"stack": "dualstack"}, "not-in-choices", "stack", "dual-stack"),
            ({"cni": {"kind": "cilium"}}, "not-in-choices", "cni.kind", "flannel, calico, manifests, none"),
            ({"cni": {"mtu": 1279}}, "out-of-range", "cni.mtu", "1280"),
            ({"cni": {"mtu": 10**30}}, "out-of-range", "cni.mtu", "1280"),
            ({"cni": {"mtu": True}}, "wrong-type", "cni.mtu", "integer"),
            ({"cni": []}, "wrong-type", "cni", "kind"),
            ({"prepare": {"swap_off": "yes"}}, "wrong-type", "prepare.swap_off", "true or false"),
            ({"kubeadm": {"kubelet": {"x": math.nan}}}, "wrong-type", "kubeadm.kubelet.x", "number"),
            ({"kubeadm": {"kubelet": {"x": {1}}}}, "wrong-type", "kubeadm.kubelet.x", "mapping"),
            ({"kubeadm": {"kubelet": {"x": 2**64}}}, "out-of-range", "kubeadm.kubelet.x", "64"),
            ({"kubeadm": {"extra_args": {"api": {}}}}, "not-in-choices", "kubeadm.extra_args.api", "apiserver"),
            ({"kubeadm": {"extra_args": {"apiserver": {"v": 2}}}}, "wrong-type", "kubeadm.extra_args.apiserver.v", "quotes"),
            ({"images": {"mirrors": {"a b": 1}}}, "wrong-type", 'images.mirrors["a b"]', "list"),
            ({5: 1}, "unknown-field", "cluster file", "kubernetes_version"),
        ],
    )
    def test_faults_of_top_level_fields(self, change: dict[object, object], code: str, path: str, words: str) -> None:
        """Code, path and hint of each fault."""
        (problem,) = [p for p in read_document(GOOD[1] | change).problems if p.path == path]
        assert problem.code == code
        assert words in problem.hint

    @pytest.mark.parametrize(
        ("services", "code", "words"),
        [
            ("10.96.0.0/16", "wrong-type", "[10.96.0.0/16]"),
            (["10.96.0.0"], "not-a-network", "10.96.0.0/16"),
            (["10.96.5.0/16"], "host-bits-set", "use 10.96.0.0/16"),
            (["10.96.0.0/255.255.0.0"], "not-a-network", "use 10.96.0.0/16"),
            (["fd44::%eth0/112"], "not-a-network", "network such as"),
            ([{"fd00:": None}], "not-a-network", "quotes"),
            ([7], "not-a-network", "network such as"),
            (["10.96.0.0/33"], "not-a-network", "network such as"),
        ],
    )
    def test_a_fault_of_a_network(self, services: object, code: str, words: str) -> None:
        """The hint has the intended network if it is clear."""
        document = copy.deepcopy(GOOD[2])
        document["network"]["services"] = services
        problem = next(p for p in read_document(document).problems if p.code == code)
        assert words in problem.hint

    @pytest.mark.parametrize(
        ("address", "words"),
        [("[fd66::11]", "brackets"), ("fd66::11%eth0", "zone"), ("fd66::11/64", "prefix"), ("198.18.0.011", "such as"), (5, "quotes")],
    )
    def test_a_fault_of_an_address(self, address: object, words: str) -> None:
        """Brackets, zones, prefix lengths and leading zeros have different hints."""
        document = copy.deepcopy(GOOD[2])
        document["hosts"][0]["addresses"] = [address]
        assert [words in p.hint for p in read_document(document).problems if p.code == "not-an-address"] == [True]

    def test_an_unknown_fields_value_is_not_repeated(self) -> None:
        """The value can be a password. The hint says where passwords belong."""
        document = copy.deepcopy(GOOD[1])
        document["hosts"][0]["ssh"]["password"] = "hunter2"
        (problem,) = read_document(document).problems
        assert "hunter2" not in str(problem)
        assert "SSH credential" in problem.hint


class TestLines:
    """The line of a problem."""

    @pytest.mark.parametrize(
        ("path", "line"),
        [
            ("name", 1),
            ("hosts[1].role", 10),
            ("hosts[0].ssh.port", 7),
            ("hosts[0].ssh.host_key", 7),
            ("hosts[0].labels", 5),
            ("network.services[1]", 15),
            ("proxy", 1),
            ('images.mirrors["a b"][0]', 1),
        ],
    )
    def test_the_line_of_a_path(self, path: str, line: int) -> None:
        """The line of the field, or of the nearest enclosing field."""
        assert read_text(TEN_FAULTS).line(path) == line

    def test_data_has_no_lines(self) -> None:
        """Prefect's parameters come without a text."""
        assert read_document(GOOD[0]).line("hosts[0].name") is None


class TestPartialSpec:
    """A field that could not be read is absent, and reading it raises Unparsed."""

    def test_reading_an_absent_field_raises_unparsed(self) -> None:
        """Also in a property that uses the field. An unknown name still raises AttributeError."""
        fields: dict[str, Any] = {"name": "demo"}
        spec = ClusterSpec.model_construct(**fields)
        for name in ("stack", "hosts", "network"):
            spec.__dict__.pop(name, None)
        with pytest.raises(Unparsed):
            _ = spec.stack
        with pytest.raises(Unparsed):
            _ = spec.families
        with pytest.raises(AttributeError):
            _ = spec.nonsense  # type: ignore[attr-defined]
        assert spec.primary_family is Family.IPV4


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    # Python refuses to print these
    st.sampled_from([1, -1]).map(lambda sign: sign * 10**5000),
    st.sampled_from([2**63, 0, -1]),
    st.floats(),
    st.text(),
    st.sampled_from(
        ["::", "::1", "fd00::/8", "0.0.0.0/0", "::/0", "10.0.0.0/8", "[::1]:1", "a/b", "\ud800", "trust-on-first-use", "ssh-rsa AA=="]
    ),
    st.dates(),
    st.binary(max_size=4),
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(SCALARS, inner, max_size=4)), max_leaves=12
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A valid document with up to five values replaced, removed or added."""
    document = copy.deepcopy(draw(st.sampled_from(GOOD)))
    for field in draw(
        st.lists(st.sampled_from(["control_plane", "kubeadm", "images", "proxy", "prepare", "cni"]), unique=True, max_size=3)
    ):
        document[field] = ClusterSpec.model_validate(GOOD[0]).model_dump(mode="json")[field]
    for _ in range(draw(st.integers(1, 5))):
        *parents, last = draw(st.sampled_from(places(document)[1:]))
        holder = document
        for part in parents:
            holder = holder[part]
        action = draw(st.sampled_from(["replace", "remove", "add"]))
        if action == "replace":
            holder[last] = draw(ANYTHING)
        elif action == "remove":
            del holder[last]
        elif isinstance(holder, dict):
            holder[draw(st.text(max_size=5))] = draw(ANYTHING)
        else:
            holder.append(draw(ANYTHING))
        if not document:
            break
    return document


KNOWN_CODES = {*SHAPES, *(rule.code for rule in RULES)}


def assert_invariants(reading: Reading) -> None:
    """Invariants of every result."""
    errors = [problem for problem in reading.problems if problem.severity is Severity.ERROR]
    assert (reading.spec is None) == bool(errors)
    for problem in reading.problems:
        reading.line(problem.path)
        assert problem.code in KNOWN_CODES
        assert problem.path
        assert problem.message
        assert problem.hint
        assert len(problem.message) < 600
    # what is printed and what Prefect stores
    json.dumps([problem.as_dict() for problem in reading.problems]).encode()
    "\n".join(map(str, reading.problems)).encode()
    if reading.spec is not None:
        assert ClusterSpec.model_validate(reading.spec.model_dump(mode="json")) == reading.spec


class TestNumberOfProblems:
    """At most MOST_PROBLEMS problems, and one that counts the others."""

    @pytest.mark.parametrize(
        "text",
        [
            "hosts:\n" + "- {}\n" * 100_000,
            "- !x y\n" * 10_000,
            "a: b\n" * 10_000,
            "a: \0\n" * 10_000,
            "".join(f"field-{number}: 1\n" for number in range(10_000)),
            "kubeadm: {kubelet: {" + ", ".join(f"maxPod{number}: 1" for number in range(10_000)) + "}}",
            "network: {services: [" + "10.0.0.0/8, " * 10_000 + "]}",
        ],
        ids=lambda text: text[:20],
    )
    def test_a_file_with_thousands_of_faults(self, text: str) -> None:
        """No one reads 570,000 problems of 118 MB, and searching for them took half a minute."""
        start = time.thread_time()
        *listed, last = read_text(text).problems
        assert time.thread_time() - start < 15
        assert len(listed) <= MOST_PROBLEMS
        assert (last.code, last.severity) == ("too-many-problems", Severity.ERROR)

    def test_errors_behind_the_last_listed_problem_are_still_errors(self) -> None:
        """`spec` is None if any error was found, listed or not."""
        problems = ProblemList(Problem("a", "a", "a", "a", Severity.WARNING) for _ in range(MOST_PROBLEMS + 1))
        assert [problem.severity for problem in problems.rest("x")] == [Severity.WARNING]
        problems.append(Problem("a", "a", "a", "a"))
        assert [problem.severity for problem in problems.rest("x")] == [Severity.ERROR]

    @pytest.mark.parametrize(
        "change",
        [
            {"kubeadm": {"extra_args": {"kubelet": {"max-pods": "9" * 5000}}}},
            {"proxy": {"no_proxy": ["10.0.0.0/" + "9" * 5000], "http": "http://fd66::1:5000/" + "a" * 5000}},
            {"images": {"mirrors": {"docker.io": ["http://[x", "https://a.b/" + "c" * 5000]}, "ca": {"a.b": "x"}}},
            {"images": {"repository": "fd66::1:5000/" + "a/" * 5000 + "b"}},
            {"kubeadm": {"extra_args": {"apiserver": {"audit-policy-file": "/" + "a" * 5000, "audit-log-path": "/" + "a/" * 5000}}}},
            {"kubeadm": {"extra_args": {"apiserver": {"oidc-ca-file": "/etc/kubernetes/sixstack/" + "a" * 5000}}}},
            {"kubeadm": {"extra_volumes": {"apiserver": [{"name": "A" * 5000, "host_path": "/" + "a//" * 5000}]}}},
            {"kubeadm": {"kubelet": {"featureGates": {"A" * 5000: True}, "evictionSoft": {"a" * 5000: "5%"}, "podLogsDir": "/" * 5000}}},
            {"hosts": [{"name": "a.b" * 2000, "role": "worker", "ssh": {"address": "a" * 5000}}] * 2},
            {"hosts": [{"name": "a", "role": "worker", "ssh": {"address": "::%" + "a" * 5000}}] * 2},
            {"hosts": [{"name": "a", "role": "worker", "ssh": {"address": "[::1%" + "a" * 5000 + "]"}}]},
            {"hosts": [{"name": "a", "role": "worker", "ssh": {"address": "a", "jump": {"address": "fe80::1%" + "a" * 5000}}}]},
            {"hosts": [{"name": "a", "role": "worker", "ssh": {"address": "A" * 600, "jump": {"address": "a" * 600}}}]},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_values_of_any_length_give_short_problems(self, change: dict[str, Any]) -> None:
        """Python refuses to read a number of 5000 digits, and urllib a bracket that is not closed."""
        for problem in read_document({**GOOD[1], **change}).problems:
            for text in (problem.path, problem.message, problem.hint):
                assert len(text) < 600

    @pytest.mark.parametrize(
        "change",
        [
            {
                "cni": {"kind": "calico"},
                "network": {"pods": [{"cidr": f"10.{n // 256}.{n % 256}.0/24"} for n in range(20_000)], "services": []},
            },
            {
                "kubeadm": {
                    "extra_args": {"apiserver": {"tls-sni-cert-key": ",".join(f"/v/{n}" for n in range(30_000))}},
                    "extra_volumes": {"apiserver": [{"name": f"v{n}", "host_path": f"/v/{n}"} for n in range(8000)]},
                }
            },
            {"images": {"mirrors": {f"{n}.a": [f"http://{n}.a"] for n in range(12_000)}, "ca": {f"{n}.b": "x" for n in range(12_000)}}},
            {
                "control_plane": {"extra_sans": [f"fd66::{n:x}:2222" for n in range(1, 5000)]},
                "hosts": [{**GOOD[2]["hosts"][0], "addresses": ["198.18.0.11", f"fd66::{n:x}:2222"]} for n in range(1, 3000)],
            },
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_each_rule_reads_a_long_list_once(self, change: dict[str, Any]) -> None:
        """Reading one list for each item of another took minutes."""
        start = time.thread_time()
        read_document({**GOOD[2], **change})
        assert time.thread_time() - start < 15

    @pytest.mark.parametrize("name", ["a\x1b[31mb" * 10, "a\u202eb", "a\nb", "x" * 40_000])
    def test_names_cannot_act_on_a_terminal(self, name: str) -> None:
        """Whatever is in a name, problems are short and printable."""
        document = {**GOOD[1], name: 1, "cni": {"images": {name: "a/b"}}, "kubeadm": {"extra_args": {"apiserver": {name: "x"}}}}
        for problem in read_text(f"{json.dumps(document)[:-1]}, {json.dumps(name)}: 2}}").problems:
            for text in (problem.path, problem.message, problem.hint):
                assert text.isprintable()
                assert len(text) < 600


class TestRandomDocuments:
    """The reader never raises."""

    @settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(ANYTHING)
    def test_any_data(self, document: object) -> None:
        """Any nesting of any values."""
        assert_invariants(read_document(document))

    @settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(mutated())
    def test_valid_documents_with_random_changes(self, document: object) -> None:
        """Almost valid documents reach the rules."""
        assert_invariants(read_document(document))

    @settings(max_examples=300, deadline=None)
    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Any characters, lone surrogates included."""
        assert_invariants(read_text(text))

    @settings(max_examples=600, deadline=None)
    @given(
        st.sampled_from([path.read_text(encoding="utf-8") for path in EXAMPLES]),
        st.lists(
            st.tuples(
                st.integers(0, 2000), st.integers(0, 6), st.text(st.sampled_from("\t\n :-[]{}&*!|>'\"%@`#,?<~.a0\r\x00\u2028é"), max_size=4)
            ),
            max_size=6,
        ),
    )
    def test_valid_texts_with_random_changes(self, text: str, edits: list[tuple[int, int, str]]) -> None:
        """Truncated, damaged and duplicated lines test the recovery from syntax faults."""
        for position, cut, new in edits:
            at = position % len(text)
            text = text[:at] + new + text[at + cut :]
        assert_invariants(read_text(text))

    def test_a_recursive_document(self) -> None:
        """Data from other sources can be recursive."""
        loop: list[Any] = []
        loop.append(loop)
        assert_invariants(read_document({**GOOD[0], "kubeadm": {"kubelet": {"x": loop}}, "hosts": loop}))
