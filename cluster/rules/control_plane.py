"""The control plane: number of hosts, API endpoint and certificate names."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.rules.families import families_meant
from cluster.rules.names import is_address, is_host_name
from cluster.rules.registry import spec_rule
from cluster.vocabulary.families import family_names, family_of
from cluster.vocabulary.fixes import remove, replace_by
from cluster.vocabulary.hostport import API_PORT, join_host_port, split_host_port
from cluster.vocabulary.partial import readable
from cluster.vocabulary.problems import Violation
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
    try:
        host, _ = split_host_port(text, API_PORT)
    except ValueError as error:
        example = text.strip("[]") if is_address(text.strip("[]")) else "fd66::100"
        hint = f"write host or host:port, such as api.example.org:6443 or {join_host_port(example, API_PORT)}"
        yield Violation("control_plane.endpoint", f"{quoted(text)}: {error}", hint, remove("control_plane.endpoint"))
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


@spec_rule("malformed-san")
def extra_sans_are_names_or_addresses(spec: ClusterSpec) -> Iterator[Violation]:
    """An extra name in the API server's certificate is neither an IP address without brackets nor a DNS name with or without a leading `*.` (kubeadm, certSANs)."""
    for index, name in readable(spec.control_plane.extra_sans):
        at = f"control_plane.extra_sans[{index}]"
        if is_address(name) or is_host_name(name.removeprefix("*.")):
            continue
        bare = name.strip("[]")
        hint = f"write {bare}, without brackets" if is_address(bare) else "write a lowercase DNS name or a bare IP address, without port"
        yield Violation(
            at, f"{quoted(name)} is neither a DNS name nor an IP address", hint, replace_by(bare, at) if is_address(bare) else remove(at)
        )
