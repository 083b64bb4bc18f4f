"""Values that the kubelet and kube-proxy refuse when they start, although their type is right.

From pkg/kubelet/apis/config/validation and pkg/proxy/apis/config/validation of Kubernetes 1.35 to 1.37.
tests/cluster/rules/test_component_values.py asks the binaries of the bundles. 0 and "" mean the default in most fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from itertools import starmap
from typing import Any

from cluster.vocabulary.releases import Minor, minor_text

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_SECOND = 10**9
# Go's time.ParseDuration
_DURATION = re.compile(r"[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_DURATION_PART = re.compile(r"([0-9]*\.?[0-9]*)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
# k8s.io/apimachinery, resource.ParseQuantity
_QUANTITY = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?", re.ASCII)
_WHOLE_PERCENT = re.compile(r"([+-]?0+|\+?0*([1-9][0-9]?|100))%+", re.ASCII)
_PERCENT = re.compile(r"[0-9]+(\.[0-9]+)?%", re.ASCII)


def nanoseconds(text: str) -> int | None:
    """The duration; None when Go cannot parse it, or when it has more than 64 bits."""
    if not _DURATION.fullmatch(text) or len(text) > 100:
        return None
    total = sum(int(float(number) * _UNITS[unit]) for number, unit in _DURATION_PART.findall(text))
    return (-total if text.startswith("-") else total) if total < 2**63 else None


def is_zero(value: Any) -> bool:
    """Whether a quantity is zero, in any unit."""
    if isinstance(value, str):
        found = _QUANTITY.fullmatch(value)
        return found is not None and not found[1].strip("0.")
    return isinstance(value, int | float) and value == 0


def is_quantity(value: Any) -> bool:
    """Whether Kubernetes can parse the quantity, which may be a number."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float) or (isinstance(value, str) and len(value) < 100 and _QUANTITY.fullmatch(value) is not None)


@dataclass(frozen=True, slots=True)
class Limit:
    """The possible values of a field: in words, and as a check of a value that has the field's type."""

    words: str
    allows: Callable[[Any], bool]
    # of a list or mapping: the possible items, each judged alone
    of_items: bool = False

    def wrong_items(self, value: Any) -> list[int] | list[str]:
        """The names of the items that are not possible, or the indexes of those that are not possible after the earlier ones. Empty when only
        the whole can be judged."""
        if isinstance(value, dict) and self.of_items:
            return [name for name, item in value.items() if not self.allows({name: item})]
        wrong, kept = [], list[Any]()
        # a longer list, whose items exclude each other, would take too long
        for index, item in enumerate(value if isinstance(value, list) and (self.of_items or len(value) < 100) else ()):
            if self.allows([item] if self.of_items else [*kept, item]):
                kept.append(item)
            else:
                wrong.append(index)
        return wrong


def _between(low: int, high: int | None = None, *, default: bool = True) -> Limit:
    """`default`: 0 is possible too, and means the default."""
    words = f"an integer from {low} to {high}" if high is not None else f"an integer of at least {low}"
    return Limit(words, lambda value: (default and value == 0) or (low <= value and (high is None or value <= high)))


def _one_of(*values: str) -> Limit:
    return Limit(f"one of {', '.join(values)}", lambda value: value == "" or value in values)


def _each(words: str, allows: Callable[[Any], bool]) -> Limit:
    """Of a list."""
    return Limit(words, lambda value: all(map(allows, value)), of_items=True)


def _by_name(words: str, allows: Callable[[str, Any], bool]) -> Limit:
    """Of a mapping."""
    return Limit(words, lambda value: all(starmap(allows, value.items())), of_items=True)


def _duration(least: int, most: int | None = None, *, default: bool = True) -> Limit:
    words = "a duration of at least " + _text(least) + (f" and at most {_text(most)}" if most is not None else "")

    def allows(value: Any) -> bool:
        found = value if isinstance(value, int) else nanoseconds(value)
        return found is not None and ((default and found == 0) or (least <= found and (most is None or found <= most)))

    return Limit(words, allows)


def _text(duration: int) -> str:
    return f"{duration // _SECOND}s" if duration % _SECOND == 0 else f"{duration // 10**6}ms" if duration % 10**6 == 0 else f"{duration}ns"


def _is_host_port(text: str) -> bool:
    bracketed = re.fullmatch(r"\[([^\[\]]*)\]:([0-9]{1,5})", text) or re.fullmatch(r"([^:\[\]]*):([0-9]{1,5})", text)
    return bracketed is not None and _is_address(bracketed[1]) and 1 <= int(bracketed[2]) <= 65535


def _is_address(text: str) -> bool:
    try:
        return "%" not in text and bool(ip_address(text))
    except ValueError:
        return False


def _is_network(text: str) -> bool:
    address, slash, prefix = text.partition("/")
    try:
        return bool(slash) and prefix.isdecimal() and _is_address(address) and bool(ip_interface(text))
    except ValueError:
        return False


def _is_threshold(value: str) -> bool:
    if value.endswith("%"):
        return _PERCENT.fullmatch(value) is not None and float(value[:-1]) <= 100
    return is_quantity(value) and not value.startswith("-") and not is_zero(value)


def _is_reclaim(value: str) -> bool:
    """A percentage above 0, or a quantity of at least 0."""
    if value.endswith("%"):
        return _PERCENT.fullmatch(value) is not None and float(value[:-1]) > 0
    return is_quantity(value) and (not value.startswith("-") or is_zero(value))


_SIGNALS = [
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
    "containerfs.available",
    "containerfs.inodesFree",
    "allocatableMemory.available",
    "pid.available",
]
_THRESHOLDS = _by_name(
    'a threshold such as memory.available: "100Mi" or nodefs.available: "10%"',
    lambda signal, text: signal in _SIGNALS and _is_threshold(text),
)
_RECLAIM = _by_name(
    'a quantity or percentage such as memory.available: "100Mi" or nodefs.available: "10%"',
    lambda signal, text: signal in _SIGNALS and _is_reclaim(text),
)
_RESERVED = _by_name(
    'a quantity of cpu, memory, ephemeral-storage or pid, such as memory: "100Mi"',
    lambda name, text: name in ("cpu", "memory", "ephemeral-storage", "pid") and is_quantity(text) and not text.startswith("-"),
)
_HOST_PORT = Limit(
    'an address and a port such as "0.0.0.0:10249" or "[::]:10249"', lambda value: value == "" or _is_host_port(value) or _is_address(value)
)
_USER_NAMESPACE = 65536
_SYSCTL_SEGMENTS = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*"
_SYSCTL = re.compile(_SYSCTL_SEGMENTS + r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?", re.ASCII)
_SYSCTL_PATTERN = re.compile(_SYSCTL_SEGMENTS + r"([a-z0-9][-_a-z0-9]*)?[a-z0-9*]", re.ASCII)
# component-helpers, node/util/sysctl
_NAMESPACED = {
    *("kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced", "kernel.shm"),
    *("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.msg"),
}


def sysctl(name: str) -> str:
    """The name with dots. With a slash as its first separator, the two have changed places (sysctl.d(5))."""
    first = re.search(r"[./]", name)
    return name.translate({ord("/"): ".", ord("."): "/"}) if first is not None and first[0] == "/" else name


def _is_namespaced(name: str, minor: Minor) -> bool:
    newer = minor >= (1, 37) and (name == "kernel.domainname" or name.startswith("user."))
    return newer or name in _NAMESPACED or name.startswith(("net.", "fs.mqueue."))


def _is_sysctl_pattern(text: str, minor: Minor) -> bool:
    """As pkg/kubelet/sysctl parses it: everything before the first `*` counts."""
    return len(text) <= 253 and _SYSCTL_PATTERN.fullmatch(text) is not None and _is_namespaced(sysctl(text).partition("*")[0], minor)


# github.com/distribution/reference
_DOMAIN = r"([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_IMAGE_PART = r"[a-z0-9]+((?:[._]|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(rf"((?:{_DOMAIN}(\.{_DOMAIN})*|\[[a-fA-F0-9:]+\])(:[0-9]+)?/)?(?P<path>{_IMAGE_PART}(/{_IMAGE_PART})*)", re.ASCII)


def _is_image_pattern(text: str) -> bool:
    """As pkg/kubelet/images/pullmanager parses it."""
    if text != text.strip() or "*" in text.removesuffix("/*"):
        return False
    if text.endswith("/*"):
        return len(text) > len("/*")
    found = _IMAGE.fullmatch(text)
    return found is not None and len(found["path"]) <= 255


def _is_full_image_pattern(text: str) -> bool:
    """1.35 refuses an image whose registry is missing, and the short names of Docker Hub."""
    domain, _, path = text.partition("/")
    is_domain = domain == "localhost" or any(letter in domain for letter in ".:") or domain.lower() != domain
    short = domain == "index.docker.io" or (domain == "docker.io" and "/" not in path)
    return _is_image_pattern(text) and (text.endswith("/*") or (is_domain and not short and path.lower() == path))


# strconv.ParseBool
_BOOLEANS = {"1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"}
_CPU_OPTIONS = {
    *("full-pcpus-only", "distribute-cpus-across-numa", "align-by-socket", "distribute-cpus-across-cores", "strict-cpu-reservation"),
    "prefer-align-cpus-by-uncorecache",
}
_CLOSEST, _NODES = "prefer-closest-numa-nodes", "max-allowable-numa-nodes"


def _is_topology_option(name: str, text: str) -> bool:
    return (
        text in _BOOLEANS
        if name == _CLOSEST
        else name == _NODES and re.fullmatch(r"\+?0*([89]|[1-9][0-9]{1,17})", text, re.ASCII) is not None
    )


# crypto/tls, with two older names
_CIPHERS = {
    *("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"),
    *(f"TLS_ECDHE_{key}_WITH_{cipher}" for key in ("ECDSA", "RSA") for cipher in (
        *("AES_128_CBC_SHA", "AES_128_CBC_SHA256", "AES_128_GCM_SHA256", "AES_256_CBC_SHA", "AES_256_GCM_SHA384"),
        *("CHACHA20_POLY1305", "CHACHA20_POLY1305_SHA256", "RC4_128_SHA"),
    )),
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    *(f"TLS_RSA_WITH_{cipher}" for cipher in (
        *("3DES_EDE_CBC_SHA", "AES_128_CBC_SHA", "AES_128_CBC_SHA256", "AES_128_GCM_SHA256", "AES_256_CBC_SHA", "AES_256_GCM_SHA384"),
        "RC4_128_SHA",
    )),
}  # fmt: skip
# crypto/tls.CurveID; newer versions of Go have the second line
_CURVES = {
    *(23, 24, 25, 29, 4588),
    *(4587, 4589),
}


def _is_cpu_set(text: str) -> bool:
    """As k8s.io/utils/cpuset parses it. A range that ends before it begins is refused."""
    if not re.fullmatch(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*", text, re.ASCII):
        return False
    return all(not last or int(first) <= int(last) for first, _, last in (part.partition("-") for part in text.split(",")))


# net/url: what a host and a user may have, beside escapes
_URL_HOST = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=:\[\]<>\"-]|[^\x00-\x7f]|%25|%[89A-Fa-f][0-9A-Fa-f])*")
_URL_USER = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*")
_ESCAPED = re.compile(r"([^%]|%[0-9A-Fa-f]{2})*", re.DOTALL)


def _is_tracing_endpoint(text: str) -> bool:
    """As url.Parse of Go reads it. A text without // gets the scheme dns."""
    url, _, fragment = (text if "//" in text else f"dns://{text}").partition("#")
    scheme, _, rest = url.partition(":")
    if scheme.lower() not in ("dns", "unix", "unix-abstract") or not _ESCAPED.fullmatch(fragment):
        return False
    rest = rest.partition("?")[0]
    if not rest.startswith("/"):  # opaque
        return True
    authority, _, path = rest[2:].partition("/") if rest.startswith("//") else ("", "", rest)
    user, _, host = authority.rpartition("@")
    port = host[host.rfind("]") + 1 :] if host.startswith("[") else host[host.rfind(":") :] if ":" in host else ""
    is_host = re.fullmatch(r"(:[0-9]*)?", port, re.ASCII) is not None and not (host.startswith("[") and "]" not in host)
    return is_host and all(form.fullmatch(part) for form, part in ((_URL_HOST, host), (_URL_USER, user), (_ESCAPED, path)))


_ENFORCED = {"pods", "system-reserved", "kube-reserved", "system-reserved-compressible", "kube-reserved-compressible"}


def _is_enforcement(values: list[str]) -> bool:
    """No value twice, `none` alone, and of each reservation either all of it or its compressible part."""
    found = set(values)
    both = any({f"{name}-reserved", f"{name}-reserved-compressible"} <= found for name in ("system", "kube"))
    return len(found) == len(values) and not both and (values == ["none"] or found <= _ENFORCED)


_LOGGING = {
    "logging.format": _one_of("text", "json"),
    "logging.flushFrequency": _duration(1),
    "logging.vmodule[].filePattern": Limit(
        "a file pattern without = and comma", lambda value: bool(value) and not any(letter in value for letter in "=,")
    ),
}

_KUBELET = {
    **_LOGGING,
    "nodeLeaseDurationSeconds": _between(1),
    "eventBurst": _between(0),
    "eventRecordQPS": _between(0),
    "healthzPort": _between(1, 65535),
    "cpuCFSQuotaPeriod": _duration(10**6, _SECOND, default=False),
    "imageGCHighThresholdPercent": _between(0, 100),
    "imageGCLowThresholdPercent": _between(0, 100),
    "imageMaximumGCAge": _duration(0),
    "iptablesDropBit": _between(0, 31),
    "iptablesMasqueradeBit": _between(0, 31),
    "kubeAPIBurst": _between(0),
    "kubeAPIQPS": _between(0),
    "nodeStatusMaxImages": _between(-1),
    "maxOpenFiles": _between(0),
    "maxPods": _between(0),
    "oomScoreAdj": _between(-1000, 1000),
    "podsPerCore": _between(0),
    "port": _between(1, 65535),
    "readOnlyPort": _between(1, 65535),
    "registryBurst": _between(0),
    "registryPullQPS": _between(0),
    "maxParallelImagePulls": _between(1, default=False),
    "runOnce": Limit("false", lambda value: not value),
    "topologyManagerPolicy": _one_of("none", "best-effort", "restricted", "single-numa-node"),
    "topologyManagerScope": _one_of("container", "pod"),
    "shutdownGracePeriod": _duration(_SECOND),
    "shutdownGracePeriodCriticalPods": _duration(_SECOND),
    "memorySwap.swapBehavior": _one_of("NoSwap", "LimitedSwap"),
    "hairpinMode": _one_of("none", "hairpin-veth", "promiscuous-bridge"),
    "imagePullCredentialsVerificationPolicy": _one_of(
        "NeverVerify", "NeverVerifyPreloadedImages", "NeverVerifyAllowlistedImages", "AlwaysVerify"
    ),
    "memoryThrottlingFactor": Limit("a number above 0 and at most 1", lambda value: 0 < value <= 1),
    "memoryReservationPolicy": _one_of("None", "TieredReservation"),
    "containerLogMaxWorkers": _between(1, default=False),
    "containerLogMonitorInterval": _duration(3 * _SECOND, default=False),
    "containerLogMaxFiles": _between(2, default=False),
    "containerLogMaxSize": Limit('a quantity such as "10Mi"', lambda value: value == "" or is_quantity(value)),
    "podLogsDir": Limit("a path of ASCII characters without . and ..", lambda value: value.isascii() and (not value.startswith("/") or re.search(r"/(\.{0,2})(/|$)", value) is None)),
    "cpuManagerPolicy": _one_of("none", "static"),
    "memoryManagerPolicy": _one_of("None", "Static"),
    "authorization.mode": _one_of("AlwaysAllow", "Webhook"),
    "configMapAndSecretChangeDetectionStrategy": _one_of("Get", "Cache", "Watch"),
    "tlsMinVersion": _one_of("VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"),
    "reservedSystemCPUs": Limit('a set of CPUs such as "0-3,8"', lambda value: value == "" or _is_cpu_set(value)),
    "evictionHard": _THRESHOLDS,
    "evictionSoft": _THRESHOLDS,
    "evictionMinimumReclaim": _RECLAIM,
    "evictionSoftGracePeriod": _by_name('a duration such as memory.available: "1m30s"', lambda signal, text: signal in _SIGNALS and (nanoseconds(text) or 0) >= 0 and nanoseconds(text) is not None),
    "systemReserved": _RESERVED,
    "kubeReserved": _RESERVED,
    "reservedMemory[].limits": _by_name('a quantity above 0 of memory or hugepages, such as memory: "1Gi"', lambda name, text: (name == "memory" or name.startswith("hugepages-")) and not is_zero(text)),
    "enforceNodeAllocatable": Limit(
        "a list of pods, system-reserved or system-reserved-compressible, and kube-reserved or kube-reserved-compressible, or [none]",
        _is_enforcement,
    ),
    "tracing.samplingRatePerMillion": _between(0, 1_000_000),
    "tracing.endpoint": Limit('a target of gRPC such as "198.18.0.11:4317" or "unix:///run/otel.sock"', _is_tracing_endpoint),
    "crashLoopBackOff.maxContainerRestartPeriod": _duration(_SECOND, 300 * _SECOND, default=False),
    "userNamespaces.idsPerPod": Limit(
        f"a multiple of {_USER_NAMESPACE} from {_USER_NAMESPACE} to {2**32 - _USER_NAMESPACE}",
        lambda value: _USER_NAMESPACE <= value < 2**32 and value % _USER_NAMESPACE == 0,
    ),
    "tlsCipherSuites": _each("a cipher suite such as TLS_AES_128_GCM_SHA256", _CIPHERS.__contains__),
    "tlsCurvePreferences": Limit(
        "a list of curves, each once, such as 29 (X25519) or 23 (P-256)", lambda value: set(value) <= _CURVES and len(set(value)) == len(value)
    ),
    "qosReserved": _by_name('a percentage of memory such as memory: "50%"', lambda name, text: name == "memory" and _WHOLE_PERCENT.fullmatch(text) is not None),
    "cpuManagerPolicyOptions": _by_name(
        f'"true" or "false" for an option of the static CPU manager policy ({", ".join(sorted(_CPU_OPTIONS))})',
        lambda name, text: name in _CPU_OPTIONS and text in _BOOLEANS,
    ),
    "topologyManagerPolicyOptions": _by_name(f'{_CLOSEST}: "true" or "false", or {_NODES}: "8" or more', _is_topology_option),
}  # fmt: skip

_KUBE_PROXY = {
    **_LOGGING,
    "healthzBindAddress": _HOST_PORT,
    "metricsBindAddress": _HOST_PORT,
    "iptables.masqueradeBit": _between(0, 31),
    "nftables.masqueradeBit": _between(0, 31),
    "oomScoreAdj": _between(-1000, 1000),
    "conntrack.maxPerCore": _between(0),
    "conntrack.min": _between(0),
    "conntrack.tcpEstablishedTimeout": _duration(0),
    "conntrack.tcpCloseWaitTimeout": _duration(0),
    "conntrack.udpTimeout": _duration(0),
    "conntrack.udpStreamTimeout": _duration(0),
    "configSyncPeriod": _duration(1),
    "iptables.syncPeriod": _duration(1),
    "iptables.minSyncPeriod": _duration(0),
    "nftables.syncPeriod": _duration(1),
    "nftables.minSyncPeriod": _duration(0),
    "detectLocalMode": _one_of("ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"),
}


def kubelet_limits(minor: Minor) -> dict[str, Limit]:
    """The limits of KubeletConfiguration's fields in this minor."""
    # 1.35 accepts a negative one
    youngest = {"imageMinimumGCAge": _duration(0)} if minor >= (1, 36) else {}
    return {**_KUBELET, **youngest, **_hidden_metrics(minor), **_sysctls(minor), "preloadedImagesVerificationAllowlist": _images(minor)}


def kube_proxy_limits(minor: Minor) -> dict[str, Limit]:
    """The limits of KubeProxyConfiguration's fields in this minor."""
    return {**_KUBE_PROXY, **_hidden_metrics(minor), "nodePortAddresses": _node_port_addresses(minor)}


def _sysctls(minor: Minor) -> dict[str, Limit]:
    return {
        "defaultPodSysctls": _by_name(
            "a sysctl that has a namespace, such as net.core.somaxconn",
            lambda name, _: len(name) <= 253 and _SYSCTL.fullmatch(name) is not None and _is_namespaced(sysctl(name), minor),
        ),
        "allowedUnsafeSysctls": _each(
            "a sysctl that has a namespace, such as kernel.msg* or net.core.somaxconn", lambda text: _is_sysctl_pattern(text, minor)
        ),
    }


def _images(minor: Minor) -> Limit:
    words = "an image without tag and digest, or a prefix such as registry.example.org/team/*"
    return _each(words, _is_image_pattern) if minor >= (1, 36) else _each(f"{words}, with its registry", _is_full_image_pattern)


def _node_port_addresses(minor: Minor) -> Limit:
    """From 1.37 on, there are more keywords, and networks may be beside them."""
    if minor < (1, 37):
        words = '["primary"], or networks such as ["198.18.0.0/24", "fd66::/64"]'
        return Limit(words, lambda value: value == ["primary"] or all(map(_is_network, value)))
    keywords = ("primary", "localhost", "all")
    return Limit(
        'a list of primary, localhost, all and networks such as "198.18.0.0/24", each keyword once',
        lambda value: all(_is_network(text) if text not in keywords else text not in value[:index] for index, text in enumerate(value)),
    )


def _hidden_metrics(minor: Minor) -> dict[str, Limit]:
    previous = minor_text((minor[0], minor[1] - 1))
    return {"showHiddenMetricsForVersion": Limit(f'"{previous}", the previous minor', lambda value: value in ("", previous))}
