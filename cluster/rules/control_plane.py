"""The control plane: number of hosts, API endpoint and certificate names."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.kubeadm.component_settings import ComponentPort, control_plane_ports, kubelet_port, proxy_health_port
from cluster.pod_networks.plugins import pod_network
from cluster.rules.families import families_meant
from cluster.rules.names import is_address, is_host_name
from cluster.rules.registry import spec_rule
from cluster.vocabulary.families import family_names, family_of
from cluster.vocabulary.fixes import Fix, remove, replace_by
from cluster.vocabulary.hostport import API_PORT, api_bind_port, join_host_port, split_host_port, unbracketed_port
from cluster.vocabulary.partial import readable
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import ClusterSpec, Role, parse_address
from cluster.vocabulary.special_ranges import unusable


@spec_rule("no-control-plane")
def there_is_a_control_plane(spec: ClusterSpec) -> Iterator[Violation]:
    """The cluster has no control plane."""
    if spec.hosts and not spec.control_planes:
        yield Violation(
            "hosts",
            f"all {len(spec.hosts)} hosts are workers",
            "write role: control-plane for one host",
            replace_by("control-plane", "hosts[0].role"),
        )


@spec_rule("control-planes-not-supported-yet")
def there_is_one_control_plane(spec: ClusterSpec) -> Iterator[Violation]:
    """The file has more than one control plane, which sixstack does not support yet."""
    control_planes = [(index, host) for index, host in enumerate(spec.hosts) if host.has("role") and host.role is Role.CONTROL_PLANE]
    if len(control_planes) > 1:
        fix = tuple(change for index, _ in control_planes[1:] for change in replace_by("worker", f"hosts[{index}].role"))
        message = f"{len(control_planes)} hosts have role control-plane, but sixstack supports one so far"
        yield Violation(f"hosts[{control_planes[1][0]}].role", message, "write role: worker for the other hosts", fix)


@spec_rule("malformed-endpoint")
def endpoint_is_host_and_port(spec: ClusterSpec) -> Iterator[Violation]:
    """The API endpoint is not host or host:port. An IPv6 address with a port needs brackets; a name is a lowercase RFC 1123 subdomain."""
    text = spec.control_plane.endpoint
    if text is None:
        return
    unbracketed = unbracketed_port(text)
    try:
        host, _ = split_host_port(text, API_PORT)
    except ValueError as error:
        fix = remove("control_plane.endpoint")
        if unbracketed is not None:
            hint = f"write {join_host_port(*unbracketed)}"
            fix = replace_by(join_host_port(*unbracketed), "control_plane.endpoint")
        else:
            example = text.strip("[]") if is_address(text.strip("[]")) else "fd66::100"
            hint = f"write host or host:port, such as api.example.org:6443 or {join_host_port(example, API_PORT)}"
        yield Violation("control_plane.endpoint", f"{quoted(text)}: {error}", hint, fix)
        return
    if unbracketed is not None and host not in _node_addresses(spec):
        hint = f"write {join_host_port(*unbracketed)}, or {join_host_port(host, API_PORT)} if all of it is the address"
        yield Violation("control_plane.endpoint", f"{quoted(text)} is an address, or an address and a port", hint)
        return
    if not is_address(host) and not is_host_name(host):
        hint = "write a name such as api.example.org, or an address, without scheme and path"
        yield Violation(
            "control_plane.endpoint",
            f"{quoted(host)} is neither an IP address nor a lowercase DNS name",
            hint,
            remove("control_plane.endpoint"),
        )


@spec_rule("endpoint-family")
def endpoint_is_of_a_family_in_use(spec: ClusterSpec) -> Iterator[Violation]:
    """The API endpoint is an address of a family that is not in use, or an address that no host can have."""
    if spec.control_plane.endpoint is None:
        return
    try:
        address = parse_address(split_host_port(spec.control_plane.endpoint, API_PORT)[0])
    except ValueError:
        return
    if (kind := unusable(address)) is not None:
        yield Violation(
            "control_plane.endpoint",
            f"{address} is {kind} and cannot be the address of a host",
            "use an address that all hosts can reach",
            remove("control_plane.endpoint"),
        )
    elif family_of(address) not in families_meant(spec):
        message = f"{address} does not have a family in use ({family_names(spec.families)})"
        yield Violation(
            "control_plane.endpoint", message, "use an address of a family in use, or a DNS name", remove("control_plane.endpoint")
        )


# ports for metrics and health checks on a control plane
_OTHER_PORTS = (ComponentPort(2381, "etcd"), ComponentPort(10248, "kubelet"), ComponentPort(10249, "kube-proxy"))


@spec_rule("bind-port-taken")
def api_server_has_its_own_port(spec: ClusterSpec) -> Iterator[Violation]:
    """The API server would listen on a port of another component."""
    port = _bind_port(spec)
    if port is None:
        return
    others = (*_OTHER_PORTS, kubelet_port(spec), proxy_health_port(spec), *control_plane_ports(spec))
    parts = {local.port: local.part for local in pod_network(spec).local_ports} | {other.port: other.part for other in others}
    taken = parts.get(port)
    if taken is not None:
        field = "endpoint" if spec.control_plane.bind_port is None else "bind_port"
        message = f"port {port} is the port of {taken}"
        yield Violation(f"control_plane.{field}", message, f"use {API_PORT}, or another free port", _default_port(spec, port))


@spec_rule("endpoint-port-differs", Severity.WARNING)
def endpoint_has_the_port_of_the_api_server(spec: ClusterSpec) -> Iterator[Violation]:
    """Clients connect to another port than the API server listens on. Something must forward one to the other, or no client reaches the API."""
    port = _bind_port(spec)
    if port is None or spec.control_plane.endpoint is None:
        return
    host, endpoint_port = split_host_port(spec.control_plane.endpoint, API_PORT)
    if endpoint_port != port:
        endpoint = join_host_port(host, endpoint_port)
        message = (
            f"clients connect to {endpoint}, and the API server listens on port {port}: a load balancer or a packet filter must forward"
        )
        hint = (
            f"forward port {endpoint_port} of {host} to port {port} of the control plane; "
            f"if {host} is the control plane itself, write control_plane: {{bind_port: {endpoint_port}}}"
        )
        yield Violation("control_plane.endpoint", message, hint)


def _bind_port(spec: ClusterSpec) -> int | None:
    """The port of the API server; None when it depends on addresses that are not in the file, or on a malformed endpoint."""
    control_plane = spec.control_plane
    own = [address for host in spec.control_planes for address in host.addresses]
    try:
        host = split_host_port(control_plane.endpoint, API_PORT)[0] if control_plane.endpoint is not None else ""
        port = api_bind_port(control_plane, own)
    except ValueError:
        return None
    known = control_plane.bind_port is not None or not is_address(host) or all(host.addresses for host in spec.control_planes)
    return port if known else None


def _default_port(spec: ClusterSpec, port: int) -> Fix:
    """The API server, and an endpoint with the same port, get the default port."""
    endpoint = spec.control_plane.endpoint
    host, endpoint_port = split_host_port(endpoint, API_PORT) if endpoint is not None else ("", None)
    fix = replace_by(join_host_port(host, API_PORT), "control_plane.endpoint") if endpoint_port == port else ()
    return fix if spec.control_plane.bind_port is None else (*fix, *replace_by(API_PORT, "control_plane.bind_port"))


def _node_addresses(spec: ClusterSpec) -> set[str]:
    return {str(address) for _, host in readable(spec.hosts) if host.has("addresses") for _, address in readable(host.addresses)}


@spec_rule("malformed-san")
def extra_sans_are_names_or_addresses(spec: ClusterSpec) -> Iterator[Violation]:
    """An extra name in the API server's certificate is neither an IP address without brackets nor a DNS name with or without a leading `*.` (kubeadm, certSANs)."""
    nodes = _node_addresses(spec)
    for index, name in readable(spec.control_plane.extra_sans):
        at = f"control_plane.extra_sans[{index}]"
        unbracketed = unbracketed_port(name)
        if is_address(name) and unbracketed is not None and name not in nodes:
            hint = f"write {unbracketed[0]}, without port; if all of it is the address, write {parse_address(name).exploded}"
            yield Violation(at, f"{quoted(name)} is an address, or an address and a port", hint)
            continue
        if is_address(name) or is_host_name(name.removeprefix("*.")):
            continue
        bare = name.strip("[]")
        hint = f"write {bare}, without brackets" if is_address(bare) else "write a lowercase DNS name or a bare IP address, without port"
        yield Violation(
            at, f"{quoted(name)} is neither a DNS name nor an IP address", hint, replace_by(bare, at) if is_address(bare) else remove(at)
        )
