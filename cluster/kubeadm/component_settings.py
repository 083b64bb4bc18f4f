"""Settings of the components that the cluster file can change, and that checks of hosts depend on."""

from __future__ import annotations

from typing import Any, NamedTuple

from cluster.vocabulary.hostport import API_PORT, api_bind_port, split_host_port
from cluster.vocabulary.spec import ClusterSpec

# kube-apiserver's default of --service-node-port-range
DEFAULT_NODE_PORTS = range(30000, 32768)
NODE_PORTS_ARGUMENT = "service-node-port-range"


def kubelet_setting(spec: ClusterSpec, field: str, argument: str, default: Any = None) -> Any:
    """A field of KubeletConfiguration, or the command-line argument of the kubelet, which takes precedence."""
    return spec.kubeadm.extra_args.get("kubelet", {}).get(argument, spec.kubeadm.kubelet.get(field, default))


def is_false(value: object) -> bool:
    """Whether a field or an argument is false, in the syntax of YAML or of Go's strconv.ParseBool."""
    return value is False or value in ("0", "f", "F", "false", "FALSE", "False")


def parse_port_range(text: str) -> range:
    """FIRST-LAST, FIRST+MORE or one port, as k8s.io/apimachinery/pkg/util/net parses a PortRange. ValueError for other text."""
    first, plus, more = text.strip().partition("+")
    if not plus:
        first, dash, last = text.strip().partition("-")
        last = last if dash else first
    numbers = (first, more if plus else last)
    if not all(number.isdecimal() and number.isascii() and len(number) <= 5 for number in numbers):
        raise ValueError("not a port range")
    low = int(first)
    high = low + int(more) if plus else int(last)
    if not low <= high <= 65535:
        raise ValueError("not a port range")
    return range(low, high + 1)


def node_ports(spec: ClusterSpec) -> range:
    """The node ports of services. Rule malformed-node-port-range reports text that is not a range."""
    try:
        return parse_port_range(spec.kubeadm.extra_args.get("apiserver", {})[NODE_PORTS_ARGUMENT])
    except (KeyError, ValueError):
        return DEFAULT_NODE_PORTS


class ComponentPort(NamedTuple):
    """A TCP port of a component."""

    port: int
    part: str


def kubelet_port(spec: ClusterSpec) -> ComponentPort:
    """The port of the kubelet."""
    return ComponentPort(_port(kubelet_setting(spec, "port", "port"), 10250), "kubelet")


def proxy_health_port(spec: ClusterSpec) -> ComponentPort:
    """The port of kube-proxy's health check."""
    try:
        port = split_host_port(str(spec.kubeadm.kube_proxy.get("healthzBindAddress", "")), 10256)[1]
    except ValueError:
        port = 10256
    return ComponentPort(port, "kube-proxy's health check")


def control_plane_ports(spec: ClusterSpec) -> tuple[ComponentPort, ...]:
    """The ports of a control plane that only the control plane itself uses."""
    arguments = spec.kubeadm.extra_args
    return (
        ComponentPort(2379, "etcd"),
        ComponentPort(2380, "etcd"),
        ComponentPort(_port(arguments.get("controller_manager", {}).get("secure-port"), 10257), "kube-controller-manager"),
        ComponentPort(_port(arguments.get("scheduler", {}).get("secure-port"), 10259), "kube-scheduler"),
    )


def component_ports(spec: ClusterSpec) -> tuple[ComponentPort, ...]:
    """All fixed TCP ports of a control plane."""
    return (ComponentPort(_api_port(spec), "kube-apiserver"), kubelet_port(spec), proxy_health_port(spec), *control_plane_ports(spec))


def _api_port(spec: ClusterSpec) -> int:
    """The port of the API server, as far as the file shows it."""
    own = [address for host in spec.control_planes for address in host.addresses] if spec.control_plane.endpoint is not None else []
    try:
        return api_bind_port(spec.control_plane, own)
    except ValueError:
        return API_PORT  # rule malformed-endpoint


def _port(value: object, default: int) -> int:
    text = str(value)
    return int(text) if text.isdecimal() and text.isascii() and 0 < int(text[:6]) <= 65535 else default
