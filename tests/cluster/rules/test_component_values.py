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
        "configMapAndSecretChangeDetectionStrategy",
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
            "tlsCipherSuites",
            "tlsCurvePreferences",
        ),
        *("logging.options.text.infoBufferSize", "logging.options.json.infoBufferSize", "logging.vmodule[].verbosity"),
        *("logging.options.text.splitStream", "logging.options.json.splitStream", "memoryReservationPolicy"),
        # each has to fit to another one
        *("imageMinimumGCAge", "imageMaximumGCAge", "imageGCHighThresholdPercent", "imageGCLowThresholdPercent"),
        *("shutdownGracePeriod", "shutdownGracePeriodCriticalPods", "shutdownGracePeriodByPodPriority[].priority"),
        *("maxParallelImagePulls", "enableSystemLogQuery", "enforceNodeAllocatable"),
        *("preloadedImagesVerificationAllowlist", "systemCgroups", "podLogsDir", "defaultPodSysctls"),
    },
    "kube_proxy": {
        *("featureGates", "logging.options.text.infoBufferSize", "logging.options.json.infoBufferSize", "logging.vmodule[].verbosity"),
        *("logging.options.text.splitStream", "logging.options.json.splitStream"),
        # each has to fit to the other
        *("nftables.syncPeriod", "nftables.minSyncPeriod"),
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
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env={"PATH": os.defpath})
        return "" if _ACCEPTED[component] in done.stderr else done.stderr[:300] + done.stderr[-600:]  # a panic is at the begin

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
    assert differences(component, DEFAULT_RELEASE, ask, 9) == []


@pytest.mark.bundle
def test_the_comparison_can_fail(folder: Path, bundle_folder: Path) -> None:
    """The components refuse these at their start, and name the field."""
    kube_proxy = component_of("kube_proxy", DEFAULT_RELEASE, folder, bundle_folder)
    kubelet = component_of("kubelet", DEFAULT_RELEASE, folder, bundle_folder)
    assert "MetricsBindAddress" in kube_proxy({"metricsBindAddress": "fd66::1:10249"})
    assert "HealthzBindAddress" in kube_proxy({"healthzBindAddress": "10256"})
    assert "NodePortAddresses" in kube_proxy({"nodePortAddresses": ["x"]})
    assert "verbosity" in kubelet({"logging": {"verbosity": "x"}})


# values on both sides of a limit that no value above meets: component, field, the first that is refused, the first that is accepted
_EDGES: tuple[tuple[str, str, tuple[Any, ...], tuple[Any, ...]], ...] = (
    ("kubelet", "userNamespaces.idsPerPod", (0, 1, 65535, 65537, 2**32), (65536, 131072, 2**32 - 65536)),
    ("kubelet", "crashLoopBackOff.maxContainerRestartPeriod", ("0s", "999ms", "301s"), ("1s", "300s")),
    ("kubelet", "tracing.endpoint", ("http://198.18.0.11:4317",), ("198.18.0.11:4317", "unix:///run/otel.sock", "dns:///collector:4317")),
    ("kubelet", "reservedSystemCPUs", ("3-0", "0-3,"), ("0-3,8", "0")),
    ("kubelet", "podLogsDir", ("/var/l\u00f6g",), ("/var/log/pods",)),
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
        assert our_verdict(component, DEFAULT_RELEASE, nested(field, value)) == {"component-field-value"}, value
    for value in accepted:
        assert our_verdict(component, DEFAULT_RELEASE, nested(field, value)) == set(), value


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
    cases = [(*edge[:2], value, list_ is edge[2]) for edge in _EDGES for list_ in edge[2:] for value in list_]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        answers = list(pool.map(lambda case: asks[case[0]](nested(case[1], case[2])), cases))
    assert [case for case, answer in zip(cases, answers, strict=True) if bool(answer) != case[3]] == []


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
    """Both values of every gate in which the supported minors differ. All components have the same registry, but for one gate."""
    ask = component_of("kubelet", release, folder, build_bundle(print, release=release, networks=("flannel",)))
    texts = [*_FIRST.values(), *_REMOVED.values(), *(text for by_value in _LOCKED.values() for text in by_value.values())]
    names = {name for text in texts for name in text.split()} - {"ControllerManagerReleaseLeaderElectionLockOnExit"}

    def compare(case: tuple[str, bool]) -> str | None:
        name, value = case
        answer = ask({"featureGates": {name: value}})
        refused = f"unrecognized feature gate: {name}" in answer or f"cannot set feature gate {name} to" in answer
        return None if refused == (name in refusals({name: value}, release.minor)) else f"{name}={value}: {answer!r}"

    with ThreadPoolExecutor(_PARALLEL) as pool:
        cases = [(name, value) for name in sorted(names) for value in (True, False)]
        assert [difference for difference in pool.map(compare, cases) if difference is not None] == []
