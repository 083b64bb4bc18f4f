"""The kubelet and kube-proxy of the bundles accept the values that sixstack accepts, and refuse the values that it refuses."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from bundle.unpack import unpack
from cluster.file.reader import read_document
from cluster.rules.component_fields import KUBE_PROXY, FieldType, kubelet_fields
from cluster.rules.component_values import kube_proxy_limits, kubelet_limits
from cluster.rules.feature_gates import _FIRST, _LOCKED, _REMOVED, refusals
from cluster.rules.gate_states import _STATES
from cluster.rules.kubeadm import _KUBE_PROXY_FIELDS, _KUBELET_FIELDS
from cluster.vocabulary.problems import Severity
from cluster.vocabulary.releases import DEFAULT_RELEASE, RELEASES, KubernetesRelease, minor_of
from lab.build.bundle import build_bundle
from tests.bundle.image_files import unpack_from_image
from tests.cluster.rules.conftest import good_document

_PARALLEL = 2
_NOWHERE = "/nonexistent"
_KINDS: dict[str, dict[str, Any]] = {
    "kubelet": {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "failCgroupV1": False},
    "kube_proxy": {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": "nftables"},
}
# what the components say when only the folder or the kubeconfig is missing, which do not exist in these tests
_ACCEPTED = {"kubelet": f"mkdir {_NOWHERE}: permission denied", "kube_proxy": f"stat {_NOWHERE}: no such file or directory"}
# values of every kind, and near the limits
_VALUES: tuple[Any, ...] = (
    *(True, 0, 1, -1, 2, 3, 31, 32, 100, 101, 1000, 1001, 65535, 65536, 131_072, 1_000_001, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 0.5, 1.5),
    *("", "x", "10", "10%", "100Mi", "1.5Gi", "-1", "text", "json", "none", "None", "pod", "container", "0", "0s", "1ns", "2s", "3s", "5m", "-5s"),
    *("1h30.5m", "2562048h", "1d", "/var/log", "/var/../log", "log", "1.34", "hairpin-veth", "restricted", "LimitedSwap", "NeverVerify"),
    *("TieredReservation", "NodeCIDR", "10256", ":10256", "0.0.0.0:10256", "127.0.0.1:0", "[::]:10256", "fd66::1:10249", "[fd66::1%eth0]:1", "a:1"),
    *("[::1]:65536", "fd66::1", "198.18.0.11", "localhost:10249"),
    *([], ["x"], ["primary"], ["primary", "10.0.0.0/8"], ["10.0.0.0/8"], ["10.0.0.5/8"], ["fd66::/64"], ["fd66::/129"], ["10.0.0.0"], ["10.0.0.0/255.0.0.0"]),
    *(["pods"], ["none"], ["none", "pods"], ["pods", "pods"], ["all", "localhost"], ["all", "all"], [1], [29], [{}], [True]),
    *({}, {"a": "b"}, {"a": 1}, {"a": True}, {"a": ["b"]}, {"memory": "100Mi"}, {"memory": "0"}, {"memory": "x"}, {"cpu": "-1"}),
    *({"memory.available": "5%"}, {"memory.available": "100Mi"}, {"memory.available": "x"}),
)  # fmt: skip
# the component parses these after the place where these tests stop it, or another component does
_LATER = {
    "kubelet": {
        *("evictionHard", "evictionSoft", "evictionMinimumReclaim", "evictionSoftGracePeriod", "systemReserved", "kubeReserved"),
        *("containerLogMaxSize", "cpuManagerPolicy", "memoryManagerPolicy", "authorization.mode", "tlsMinVersion", "cgroupDriver"),
        *("configMapAndSecretChangeDetectionStrategy", "tlsCipherSuites", "tlsCurvePreferences", "allowedUnsafeSysctls", "qosReserved"),
        *("cpuManagerPolicyOptions", "topologyManagerPolicyOptions"),
    },
    # it reads the settings of the mode in use
    "kube_proxy": {"iptables.syncPeriod", "iptables.minSyncPeriod"},
}
# the component refuses values of these because of another field, a feature gate, or a file that the host lacks; no rule knows this
_OTHER_FIELDS: dict[str, set[str]] = {
    "kubelet": {
        *(
            "featureGates",
            "serverTLSBootstrap",
            "failCgroupV1",
            "tlsCertFile",
            "tlsPrivateKeyFile",
        ),
        "logging.vmodule[].verbosity",
        "shutdownGracePeriodByPodPriority[].priority",
    },
    "kube_proxy": {
        *("featureGates", "logging.vmodule[].verbosity"),
    },
}

_TYPES: dict[FieldType, tuple[type, ...]] = {
    FieldType.BOOLEAN: (bool, int),
    FieldType.STRINGS: (list,),
    FieldType.INTEGERS: (list,),
    FieldType.LIST: (list,),
    FieldType.NUMBER: (int, float),
    FieldType.QUANTITY: (int, float, str),
    **dict.fromkeys((FieldType.STRING_MAP, FieldType.BOOLEAN_MAP, FieldType.STRINGS_MAP, FieldType.QUANTITY_MAP), (dict,)),
    **dict.fromkeys((FieldType.INTEGER, FieldType.INTEGER64, FieldType.VERBOSITY), (int, float)),
}
Verdict = Callable[[dict[str, Any]], str]


def component_of(component: str, release: KubernetesRelease, folder: Path, bundle: Path) -> Verdict:
    """Ask the binary of a bundle: the text of its refusal, empty when it accepts the fields."""
    if component == "kubelet":
        program = unpack(bundle, "kubelet", folder / f"kubelet-{release.kubernetes}")
    else:
        program = unpack_from_image(bundle, "kube-proxy", "usr/local/bin/kube-proxy", folder / f"kube-proxy-{release.kubernetes}")
    places = (
        ["--kubeconfig", f"{_NOWHERE}/x", "--root-dir", f"{_NOWHERE}/r", "--cert-dir", f"{_NOWHERE}/c"] if component == "kubelet" else []
    )

    def ask(fields: dict[str, Any]) -> str:
        own: dict[str, Any] = {} if component == "kubelet" else {"clientConnection": {"kubeconfig": _NOWHERE}}
        document = yaml.safe_dump({**_KINDS[component], **own, **fields})
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".yaml") as file:
            file.write(document)
            file.flush()
            os.chmod(file.name, 0o644)
            # nobody: a component that starts changes nothing on this machine
            command = ["setpriv", "--reuid", "65534", "--clear-groups", str(program), "--config", file.name, *places]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env={"PATH": os.defpath, "GOGC": "off"})
        return "" if _ACCEPTED[component] in done.stderr else done.stderr[:600] + done.stderr[-600:]  # a panic is at the begin

    return ask


def nested(name: str, value: Any) -> dict[str, Any]:
    """The fields with this value at `a.b[].c`."""
    first, _, rest = name.partition(".")
    inner = nested(rest, value) if rest else value
    return {first.removesuffix("[]"): [inner] if first.endswith("[]") else inner}


def fields_of(component: str, release: KubernetesRelease) -> dict[str, FieldType]:
    """The fields that a cluster file can set."""
    known, owned = (
        (kubelet_fields(minor_of(release.kubernetes)), _KUBELET_FIELDS) if component == "kubelet" else (KUBE_PROXY, _KUBE_PROXY_FIELDS)
    )
    return {name: kind for name, kind in known.items() if name.partition(".")[0] not in owned and name != "mode"}


def our_verdict(component: str, release: KubernetesRelease, fields: dict[str, Any]) -> set[str]:
    """The codes of the problems that sixstack finds."""
    document = {**good_document(), "kubernetes_version": release.kubernetes, "kubeadm": {component: fields}}
    return {problem.code for problem in read_document(document).problems if problem.severity is Severity.ERROR}


def differences(component: str, release: KubernetesRelease, ask: Verdict, step: int) -> list[str]:
    """Every value of every field about which sixstack and the component do not agree."""
    limits = kubelet_limits if component == "kubelet" else kube_proxy_limits
    limited = limits(minor_of(release.kubernetes))
    cases = [
        (name, value)
        for name, kind in fields_of(component, release).items()
        for value in _VALUES
        # strings without a limit differ only from what is no string
        if (name in limited or value in ("x", 1, True)) and isinstance(value, _TYPES.get(kind, (str, int)) + (str,) * (value == "x"))
    ][::step]

    def compare(case: tuple[str, Any]) -> str | None:
        name, value = case
        fields = nested(name, value)
        ours = our_verdict(component, release, fields)
        refused = ask(fields)
        if bool(ours) == bool(refused):
            return None
        if name in _LATER[component] and ours:
            return None
        if name in _OTHER_FIELDS[component] and not ours:
            return None
        return f"{name}: {value!r}: sixstack {ours or 'accepts it'}, {component} {refused or 'accepts it'}"

    with ThreadPoolExecutor(_PARALLEL) as pool:
        return [difference for difference in pool.map(compare, cases) if difference is not None]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder in which nobody can run programs; pytest's folders are closed to other users."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.mark.bundle
@pytest.mark.parametrize("component", _KINDS)
def test_the_component_agrees(component: str, folder: Path, bundle_folder: Path) -> None:
    """A part of all values, with the default release."""
    ask = component_of(component, DEFAULT_RELEASE, folder, bundle_folder)
    assert ask({}) == ""
    assert differences(component, DEFAULT_RELEASE, ask, 20) == []


@pytest.mark.bundle
def test_the_comparison_can_fail(folder: Path, bundle_folder: Path) -> None:
    """The components refuse these at their start, and name the field."""
    kube_proxy = component_of("kube_proxy", DEFAULT_RELEASE, folder, bundle_folder)
    kubelet = component_of("kubelet", DEFAULT_RELEASE, folder, bundle_folder)
    assert "MetricsBindAddress" in kube_proxy({"metricsBindAddress": "fd66::1:10249"})
    assert "HealthzBindAddress" in kube_proxy({"healthzBindAddress": "10256"})
    assert "NodePortAddresses" in kube_proxy({"nodePortAddresses": ["x"]})
    assert "verbosity" in kubelet({"logging": {"verbosity": "x"}})


_NUMA, _CLOSEST = "max-allowable-numa-nodes", "prefer-closest-numa-nodes"
# values on both sides of a limit that no value above meets: component, field, the first that is refused, the first that is accepted
_EDGES: tuple[tuple[str, str, tuple[Any, ...], tuple[Any, ...]], ...] = (
    ("kubelet", "userNamespaces.idsPerPod", (0, 1, 65535, 65537, 2**32), (65536, 131072, 2**32 - 65536)),
    ("kubelet", "crashLoopBackOff.maxContainerRestartPeriod", ("0s", "999ms", "301s"), ("1s", "300s")),
    (
        "kubelet",
        "tracing.endpoint",
        ("http://198.18.0.11:4317", "10%", "a b:1", "a:x", "a#%zz", "[fd66::1]x", "[fd66::1%eth0]:1", "unix:///run/%zz", "//x", "a{b"),
        (
            *("198.18.0.11:4317", "unix:///run/otel.sock", "dns:///collector:4317", ":4317", "a@b:1", "a?%zz", "a<b", "fd66::1:4317", ""),
            *("[fd66::1]:4317", "[fd66::1%25eth0]:4317", "unix:/run/x", "a%25b"),
        ),
    ),
    ("kubelet", "reservedSystemCPUs", ("3-0", "0-3,"), ("0-3,8", "0")),
    ("kubelet", "podLogsDir", ("/var/l\u00f6g", "/var/log/"), ("/var/log/pods", "log", "")),
    ("kubelet", "reservedMemory[].limits", ({"memory": "0Mi"}, {"cpu": "1"}), ({"memory": "1Gi"}, {"hugepages-2Mi": 1})),
    (
        "kubelet",
        "preloadedImagesVerificationAllowlist",
        ([""], [" a"], ["/*"], ["a*"], ["a/*/b"], ["a.example/b:1"], ["A"], ["a.example/" + "b" * 256], ["a__b/c___d"]),
        (),
    ),
    ("kubelet", "tlsCipherSuites", (["x"],), (["TLS_RSA_WITH_RC4_128_SHA", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"],)),
    ("kubelet", "tlsCurvePreferences", ([0], [29, 29], [65536], [30]), ([29, 23, 24, 25, 4588],)),
    ("kubelet", "evictionHard", ({"memory.available": "0"}, {"nodefs.available": "101%"}), ({"nodefs.available": "0%"},)),
    ("kubelet", "evictionMinimumReclaim", ({"nodefs.available": "0%"}, {"memory.available": "-1"}), ({"memory.available": "0"},)),
    ("kubelet", "evictionSoftGracePeriod", ({"memory.available": "-1s"}, {"x": "1s"}), ({"memory.available": "0s"},)),
    ("kubelet", "allowedUnsafeSysctls", (["vm.swappiness"], ["net.*.x"], ["*"]), (["kernel.msg*", "net/core/somaxconn", "kernel.sem"],)),
    (
        "kubelet",
        "qosReserved",
        ({"cpu": "5%"}, {"memory": "5"}, {"memory": "101%"}, {"memory": "-1%"}),
        ({"memory": "100%"}, {"memory": "+0%"}),
    ),
    (
        "kubelet",
        "topologyManagerPolicyOptions",
        ({"x": "true"}, {_NUMA: "7"}, {_NUMA: "x"}),
        ({_NUMA: "8"}, {_NUMA: "010"}, {_CLOSEST: "T"}),
    ),
    (
        "kubelet",
        "enforceNodeAllocatable",
        (["pods", "system-reserved", "system-reserved-compressible"], ["none", "pods"]),
        (["pods"], ["none"]),
    ),
    ("kube_proxy", "nodePortAddresses", (["x"],), (["primary"], ["10.0.0.0/8", "fd66::/64"])),
)


@pytest.mark.parametrize(("component", "field", "refused", "accepted"), _EDGES, ids=[edge[1] for edge in _EDGES])
def test_a_value_beyond_a_limit_is_refused(component: str, field: str, refused: tuple[Any, ...], accepted: tuple[Any, ...]) -> None:
    """Without a component: the code of the problem, and none for the value beside it."""
    for value in refused:
        assert "component-field-value" in our_verdict(component, DEFAULT_RELEASE, nested(field, value)), value
    for value in accepted:
        assert our_verdict(component, DEFAULT_RELEASE, nested(field, value)) == set(), value


def _gate(name: str, *, on: bool = True) -> dict[str, Any]:
    return {"featureGates": {name: on}}


_VMODULE: dict[str, Any] = {"vmodule": [{"filePattern": "a", "verbosity": 1}]}
# fields that do not fit to each other, and beside them fields that do
_PAIRS: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("kubelet", {"imageGCHighThresholdPercent": 50}, {"imageGCHighThresholdPercent": 50, "imageGCLowThresholdPercent": 49}),
    ("kubelet", {"imageMaximumGCAge": "2m"}, {"imageMaximumGCAge": "2m", "imageMinimumGCAge": "1m"}),
    ("kubelet", {"shutdownGracePeriodCriticalPods": "5s"}, {"shutdownGracePeriod": "5s", "shutdownGracePeriodCriticalPods": "5s"}),
    (
        "kubelet",
        {"shutdownGracePeriod": "5s", "shutdownGracePeriodByPodPriority": [{"priority": 1, "shutdownGracePeriodSeconds": 5}]},
        {"shutdownGracePeriodByPodPriority": [{"priority": 1, "shutdownGracePeriodSeconds": 5}]},
    ),
    ("kubelet", {"maxParallelImagePulls": 2, "serializeImagePulls": True}, {"maxParallelImagePulls": 2}),
    ("kubelet", {"enforceNodeAllocatable": ["kube-reserved"]}, {"enforceNodeAllocatable": ["kube-reserved"], "kubeReservedCgroup": "/k"}),
    ("kubelet", {"reservedSystemCPUs": "0", "systemReservedCgroup": "/s"}, {"systemReservedCgroup": "/s"}),
    ("kubelet", {"cgroupsPerQOS": False}, {"cgroupsPerQOS": False, "enforceNodeAllocatable": ["none"]}),
    ("kubelet", {"systemCgroups": "/s"}, {"systemCgroups": "/s", "cgroupRoot": "/"}),
    (
        "kubelet",
        {"preloadedImagesVerificationAllowlist": ["a.example/b"]},
        {"preloadedImagesVerificationAllowlist": ["a.example/b"], "imagePullCredentialsVerificationPolicy": "NeverVerifyAllowlistedImages"},
    ),
    ("kubelet", {"enableSystemLogQuery": True, "enableSystemLogHandler": False}, {"enableSystemLogQuery": True}),
    *(
        (
            "kubelet",
            {"preloadedImagesVerificationAllowlist": ["a.example/b"]},
            {
                "preloadedImagesVerificationAllowlist": [image],
                "imagePullCredentialsVerificationPolicy": "NeverVerifyAllowlistedImages",
            },
        )
        for image in ("a:5000/*", "a.example:5000/b/c", "[fd66::1]:5000/b", "A/b", "a__b/c---d", "a.example/" + "b" * 255)
    ),
    ("kubelet", {"imagePullCredentialsVerificationPolicy": "AlwaysVerify", **_gate("KubeletEnsureSecretPulledImages", on=False)}, {}),
    (
        "kubelet",
        {"logging": {"options": {"json": {"infoBufferSize": "1Ki"}}}},
        {"logging": {"options": {"json": {"infoBufferSize": "1Ki"}}}, **_gate("LoggingAlphaOptions")},
    ),
    ("kubelet", {"logging": {"options": {"text": {"infoBufferSize": 1}}}}, {"logging": {"options": {"text": {"infoBufferSize": "0Mi"}}}}),
    (
        "kube_proxy",
        {"logging": {"options": {"json": {"infoBufferSize": "1"}}}},
        {"logging": {"options": {"json": {"infoBufferSize": "1"}, "text": {"splitStream": True}}}, **_gate("AllAlpha")},
    ),
    ("kubelet", {"logging": {**_VMODULE, "format": "json"}}, {"logging": {**_VMODULE, "format": "text"}}),
    ("kube_proxy", {"logging": {**_VMODULE, "format": "json"}}, {"logging": _VMODULE}),
    (
        "kubelet",
        {"reservedMemory": [{"numaNode": 0, "limits": {"memory": "1Gi"}}, {"limits": {"memory": "1Gi"}}]},
        {"reservedMemory": [{"numaNode": 0, "limits": {"memory": "1Gi"}}, {"numaNode": 1, "limits": {"memory": "1Gi"}}]},
    ),
    ("kubelet", {"cpuCFSQuotaPeriod": "10ms", **_gate("CustomCPUCFSQuotaPeriod", on=False)}, {"cpuCFSQuotaPeriod": "10ms"}),
    ("kubelet", {"serverTLSBootstrap": True, **_gate("RotateKubeletServerCertificate", on=False)}, {}),
    (
        "kubelet",
        {"crashLoopBackOff": {"maxContainerRestartPeriod": "10s"}, **_gate("KubeletCrashLoopBackOffMax", on=False)},
        _gate("KubeletCrashLoopBackOffMax", on=False),
    ),
    (
        "kubelet",
        {"memoryReservationPolicy": "TieredReservation"},
        {"memoryReservationPolicy": "TieredReservation", "featureGates": {"MemoryQoS": True}},
    ),
    ("kube_proxy", {"nftables": {"syncPeriod": "500ms"}}, {"nftables": {"syncPeriod": "500ms", "minSyncPeriod": "100ms"}}),
    (
        "kube_proxy",
        {"detectLocalMode": "BridgeInterface"},
        {"detectLocalMode": "BridgeInterface", "detectLocal": {"bridgeInterface": "b0"}},
    ),
)


@pytest.mark.parametrize(("component", "refused", "accepted"), _PAIRS, ids=[next(iter(pair[1])) for pair in _PAIRS])
def test_fields_that_do_not_fit_to_each_other_are_refused(component: str, refused: dict[str, Any], accepted: dict[str, Any]) -> None:
    """component-fields-conflict: also against the default of the other one."""
    assert our_verdict(component, DEFAULT_RELEASE, refused) == {"component-fields-conflict"}
    assert our_verdict(component, DEFAULT_RELEASE, accepted) == set()


# the component refuses these after the place where the comparison stops it
_PAIRS_LATER: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"cpuManagerPolicy": "static"}, {"cpuManagerPolicy": "static", "reservedSystemCPUs": "0"}),
    ({"cpuManagerPolicy": "static", "kubeReserved": {"cpu": "0m"}}, {"cpuManagerPolicy": "static", "kubeReserved": {"cpu": "500m"}}),
    (
        {"cpuManagerPolicyOptions": {"full-pcpus-only": "true"}},
        {"cpuManagerPolicyOptions": {"full-pcpus-only": "true"}, "cpuManagerPolicy": "static", "reservedSystemCPUs": "0"},
    ),
    (
        {"cpuManagerPolicyOptions": {"align-by-socket": "true"}, "cpuManagerPolicy": "static", "reservedSystemCPUs": "0"},
        {
            "cpuManagerPolicyOptions": {"align-by-socket": "true"},
            "cpuManagerPolicy": "static",
            "reservedSystemCPUs": "0",
            **_gate("CPUManagerPolicyAlphaOptions"),
        },
    ),
    (
        {"evictionSoft": {"memory.available": "200Mi"}, "evictionSoftGracePeriod": {"pid.available": "1m"}},
        {"evictionSoft": {"memory.available": "200Mi"}, "evictionSoftGracePeriod": {"memory.available": "1m"}},
    ),
)


@pytest.mark.parametrize(("refused", "accepted"), _PAIRS_LATER)
def test_fields_that_the_kubelet_compares_later_are_refused(refused: dict[str, Any], accepted: dict[str, Any]) -> None:
    """From the source of the managers of CPUs and eviction."""
    assert our_verdict("kubelet", DEFAULT_RELEASE, refused) == {"component-fields-conflict"}
    assert our_verdict("kubelet", DEFAULT_RELEASE, accepted) == set()


@pytest.mark.parametrize(
    ("minor", "fields", "codes"),
    [
        ("1.35.4", {"cpuCFSQuotaPeriod": "10ms"}, {"component-fields-conflict"}),
        ("1.35.4", {"cpuCFSQuotaPeriod": "100ms"}, set()),
        ("1.35.4", {"cpuCFSQuotaPeriod": "2s"}, {"component-field-value"}),
        ("1.35.4", {"imageMinimumGCAge": "-5s"}, set()),
        ("1.36.3", {"imageMinimumGCAge": "-5s"}, {"component-field-value"}),
        ("1.35.4", {"enableSystemLogQuery": True}, {"component-fields-conflict"}),
        ("1.35.4", {"memoryThrottlingFactor": 0.8, "featureGates": {"MemoryQoS": False}}, set()),
        ("1.37.2", {"memoryThrottlingFactor": 0.8, "featureGates": {"MemoryQoS": False}}, {"component-fields-conflict"}),
        ("1.37.2", {"memoryThrottlingFactor": 0.9, "featureGates": {"MemoryQoS": False}}, set()),
        ("1.37.2", {"defaultPodSysctls": {"net.core.somaxconn": "1"}}, {"component-fields-conflict"}),
        ("1.37.2", {"defaultPodSysctls": {"net/core/somaxconn": "1"}, "featureGates": {"DefaultPodSysctls": True}}, set()),
        ("1.37.2", {"defaultPodSysctls": {"vm.swappiness": "1"}, "featureGates": {"DefaultPodSysctls": True}}, {"component-field-value"}),
        (
            "1.37.2",
            {"defaultPodSysctls": {"net.a": "1", "net/a": "1"}, "featureGates": {"DefaultPodSysctls": True}},
            {"component-fields-conflict"},
        ),
    ],
)
def test_the_gate_of_a_field_is_that_of_the_minor(minor: str, fields: dict[str, Any], codes: set[str]) -> None:
    """Its default changes between minors."""
    release = next(release for release in RELEASES if release.kubernetes == minor)
    assert our_verdict("kubelet", release, fields) == codes


def test_images_and_sysctls_depend_on_the_minor() -> None:
    """1.36 accepts images of Docker Hub without their registry, and 1.37 more sysctls."""
    images = {minor: kubelet_limits(minor)["preloadedImagesVerificationAllowlist"] for minor in ((1, 35), (1, 36))}
    for name in ("a", "a/b", "docker.io/a", "index.docker.io/a/b"):
        assert [limit.allows([name]) for limit in images.values()] == [False, True], name
    for name in ("docker.io/library/a", "a.example/b", "a:5000/b", "localhost/b", "A/b", "a/*"):
        assert [limit.allows([name]) for limit in images.values()] == [True, True], name
    sysctls = {minor: kubelet_limits(minor)["allowedUnsafeSysctls"] for minor in ((1, 36), (1, 37))}
    for name in ("kernel.domainname", "user.max_user_namespaces", "user/*"):
        assert [limit.allows([name]) for limit in sysctls.values()] == [False, True], name


def test_a_gate_of_the_command_line_counts() -> None:
    """It is stronger than the field."""
    fields = {"memoryReservationPolicy": "TieredReservation", "featureGates": {"MemoryQoS": False}}
    document = {**good_document(), "kubeadm": {"kubelet": fields, "extra_args": {"kubelet": {"feature-gates": "MemoryQoS=true"}}}}
    assert read_document(document).problems == ()


def test_each_wrong_item_is_a_problem_at_its_own_path() -> None:
    """The rest of the list or mapping is not wrong."""
    fields = {
        "tlsCipherSuites": ["x", "TLS_AES_128_GCM_SHA256"],
        "evictionHard": {"x": "1", "pid.available": "5%"},
        "tlsCurvePreferences": [29, 1, 29],
    }
    problems = read_document({**good_document(), "kubeadm": {"kubelet": fields}}).problems
    assert [(problem.code, problem.path.removeprefix("kubeadm.kubelet.")) for problem in problems] == [
        ("component-field-value", "evictionHard.x"),
        ("component-field-value", "tlsCipherSuites[0]"),
        ("component-field-value", "tlsCurvePreferences[1]"),
        ("component-field-value", "tlsCurvePreferences[2]"),
    ]


def test_fields_of_a_wrong_type_do_not_disturb_the_comparison() -> None:
    """Another rule reports them."""
    wrong = {"imageGCHighThresholdPercent": "x", "shutdownGracePeriod": 5, "enforceNodeAllocatable": [{}], "featureGates": []}
    assert "component-fields-conflict" not in our_verdict("kubelet", DEFAULT_RELEASE, wrong)
    assert "component-fields-conflict" not in our_verdict(
        "kube_proxy", DEFAULT_RELEASE, {"mode": [], "nftables": "x", "detectLocalMode": {}}
    )


def test_kube_proxy_accepts_more_keywords_for_node_ports_from_1_37_on() -> None:
    """Networks may be beside them, and no keyword twice."""
    old, new = (kube_proxy_limits((1, minor))["nodePortAddresses"] for minor in (36, 37))
    assert [limit.allows(["primary", "10.0.0.0/8"]) for limit in (old, new)] == [False, True]
    assert [limit.allows(["all", "localhost"]) for limit in (old, new)] == [False, True]
    assert not new.allows(["primary", "primary"])
    assert not new.allows(["none"])


@pytest.mark.bundle
def test_the_component_agrees_about_the_limits(folder: Path, bundle_folder: Path) -> None:
    """The default release, on both sides of each limit."""
    asks = {component: component_of(component, DEFAULT_RELEASE, folder, bundle_folder) for component in _KINDS}
    edges = [edge for edge in _EDGES if edge[1] not in _LATER[edge[0]]]
    cases = [(edge[0], nested(edge[1], value), list_ is edge[2]) for edge in edges for list_ in edge[2:] for value in list_]
    cases += [(component, fields, fields is refused) for component, refused, accepted in _PAIRS for fields in (refused, accepted)]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        answers = list(pool.map(lambda case: asks[case[0]](case[1]), cases))
    assert [(case, answer) for case, answer in zip(cases, answers, strict=True) if bool(answer) != case[2]] == []


@pytest.mark.long
@pytest.mark.bundle
@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.kubernetes)
@pytest.mark.parametrize("component", _KINDS)
def test_the_component_of_every_release_agrees_about_every_value(component: str, release: KubernetesRelease, folder: Path) -> None:
    """All values of all fields."""
    ask = component_of(component, release, folder, build_bundle(print, release=release, networks=("flannel",)))
    assert ask({}) == ""
    assert differences(component, release, ask, 1) == []


@pytest.mark.long
@pytest.mark.bundle
@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.kubernetes)
def test_the_kubelet_of_every_release_agrees_about_feature_gates(release: KubernetesRelease, folder: Path) -> None:
    """Both values of every gate in which the supported minors differ, and of every gate that another one needs. All components have the same
    registry, but for one gate."""
    ask = component_of("kubelet", release, folder, build_bundle(print, release=release, networks=("flannel",)))
    texts = [*_FIRST.values(), *_REMOVED.values(), *(text for by_value in _LOCKED.values() for text in by_value.values())]
    listed = {name for text in texts for name in text.split()} - {"ControllerManagerReleaseLeaderElectionLockOnExit"}
    names = {*listed, *_STATES, "AllAlpha", "AllBeta"}

    def compare(case: tuple[str, bool]) -> str | None:
        name, value = case
        answer = ask({"featureGates": {name: value}})
        words = f"unrecognized feature gate: {name}", f"cannot set feature gate {name} to", "depends on features that are disabled"
        refused = any(text in answer for text in words)
        return None if refused == (name in refusals({name: value}, release.minor)) else f"{name}={value}: {answer!r}"

    with ThreadPoolExecutor(_PARALLEL) as pool:
        cases = [(name, value) for name in sorted(names) for value in (True, False)]
        assert [difference for difference in pool.map(compare, cases) if difference is not None] == []
