"""The values of the kubeadm documents in each stack mode."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.kubeadm.documents import (
    bind_port,
    certificate_names,
    cgroup_driver,
    cluster_configuration,
    control_plane_endpoint,
    init_configuration,
    init_documents,
    join_configuration,
    kube_proxy_configuration,
    kubelet_configuration,
    proxy_mode,
)
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec, ProxyMode

IPV4 = {"node": "198.18.0.{}", "pods": {"cidr": "10.244.0.0/16"}, "services": "10.96.0.0/16"}
IPV6 = {"node": "fd66::{}", "pods": {"cidr": "fd44::/64", "node_mask": 72}, "services": "fd44:0:0:ffff::/112"}
MODES: dict[str, tuple[str, str, list[dict[str, Any]]]] = {
    "ipv4": ("ipv4", "ipv4", [IPV4]),
    "dual-stack": ("dual-stack", "ipv4", [IPV4, IPV6]),
    "dual-stack-ipv6-first": ("dual-stack", "ipv6", [IPV6, IPV4]),
    "ipv6": ("ipv6", "ipv6", [IPV6]),
}


def spec_of(mode: str, **changes: Any) -> ResolvedSpec:
    """Two hosts in a mode, reached over another IPv4 address than the node's."""
    stack, primary, families = MODES[mode]
    return ResolvedSpec.of(
        ClusterSpec.model_validate(
            {
                "name": "demo",
                "stack": stack,
                "primary_family": primary,
                "hosts": [
                    {
                        "name": f"node-{number}",
                        "role": role,
                        "ssh": {"address": f"203.0.113.{number}"},
                        "addresses": [family["node"].format(number) for family in families],
                    }
                    for number, role in ((1, "control-plane"), (2, "worker"))
                ],
                "network": {"pods": [family["pods"] for family in families], "services": [family["services"] for family in families]},
                **changes,
            }
        )
    )


def arguments(component: dict[str, Any]) -> dict[str, str]:
    """kubeadm's argument list as a mapping."""
    return {argument["name"]: argument["value"] for argument in component["extraArgs"]}


@pytest.mark.parametrize(
    ("mode", "node_ip", "advertise"),
    [
        ("ipv4", "198.18.0.1", "198.18.0.1"),
        ("dual-stack", "198.18.0.1,fd66::1", "198.18.0.1"),
        ("dual-stack-ipv6-first", "fd66::1,198.18.0.1", "fd66::1"),
        ("ipv6", "fd66::1", "fd66::1"),
    ],
)
def test_every_node_registers_with_all_its_addresses_primary_first(mode: str, node_ip: str, advertise: str) -> None:
    """--node-ip on init and on join, the advertise address of the same family as its first one; bare, without brackets."""
    spec = spec_of(mode)
    init = init_configuration(spec)
    join = join_configuration(spec, spec.hosts[1], token="abcdef.0123456789abcdef", ca_hash="sha256:00")
    assert {"name": "node-ip", "value": node_ip} in init["nodeRegistration"]["kubeletExtraArgs"]
    worker = ",".join(str(address) for address in spec.hosts[1].addresses)
    assert {"name": "node-ip", "value": worker} in join["nodeRegistration"]["kubeletExtraArgs"]
    assert init["localAPIEndpoint"] == {"advertiseAddress": advertise, "bindPort": 6443}


@pytest.mark.parametrize(
    ("mode", "pods", "services"),
    [
        ("ipv4", "10.244.0.0/16", "10.96.0.0/16"),
        ("dual-stack", "10.244.0.0/16,fd44::/64", "10.96.0.0/16,fd44:0:0:ffff::/112"),
        ("dual-stack-ipv6-first", "fd44::/64,10.244.0.0/16", "fd44:0:0:ffff::/112,10.96.0.0/16"),
        ("ipv6", "fd44::/64", "fd44:0:0:ffff::/112"),
    ],
)
def test_kubeadm_and_kube_proxy_get_every_range(mode: str, pods: str, services: str) -> None:
    """podSubnet, serviceSubnet and kube-proxy's clusterCIDR, in the file's order."""
    spec = spec_of(mode)
    assert cluster_configuration(spec)["networking"] == {"podSubnet": pods, "serviceSubnet": services, "dnsDomain": "cluster.local"}
    assert kube_proxy_configuration(spec)["clusterCIDR"] == pods


@pytest.mark.parametrize(
    ("mode", "masks"),
    [
        ("ipv4", {"node-cidr-mask-size-ipv4": "24"}),
        ("dual-stack", {"node-cidr-mask-size-ipv4": "24", "node-cidr-mask-size-ipv6": "72"}),
        ("dual-stack-ipv6-first", {"node-cidr-mask-size-ipv4": "24", "node-cidr-mask-size-ipv6": "72"}),
        ("ipv6", {"node-cidr-mask-size-ipv6": "72"}),
    ],
)
def test_node_masks_are_given_by_family(mode: str, masks: dict[str, str]) -> None:
    """Never the argument without family."""
    found = arguments(cluster_configuration(spec_of(mode))["controllerManager"])
    assert {name: value for name, value in found.items() if "mask" in name} == masks


def test_all_components_bind_to_ipv6_in_ipv6_only() -> None:
    """Controller manager, scheduler, API server, kubelet with its health port, kube-proxy with health and metrics."""
    spec = spec_of("ipv6")
    cluster, kubelet, proxy = cluster_configuration(spec), kubelet_configuration(spec), kube_proxy_configuration(spec)
    assert arguments(cluster["controllerManager"])["bind-address"] == "::1"
    assert arguments(cluster["scheduler"])["bind-address"] == "::1"
    assert arguments(cluster["apiServer"])["bind-address"] == "::"
    assert (kubelet["address"], kubelet["healthzBindAddress"]) == ("::", "::1")
    assert (proxy["bindAddress"], proxy["healthzBindAddress"], proxy["metricsBindAddress"]) == ("::", "[::]:10256", "[::1]:10249")


@pytest.mark.parametrize("mode", ["ipv4", "dual-stack"])
def test_with_ipv4_first_kubeadm_defaults_apply(mode: str) -> None:
    """No bind address is set if the default is right."""
    cluster = cluster_configuration(spec_of(mode))
    assert not [
        name for part in ("apiServer", "controllerManager", "scheduler") for name in arguments(cluster[part]) if name == "bind-address"
    ]
    assert "address" not in kubelet_configuration(spec_of(mode))


@pytest.mark.parametrize(
    ("mode", "names"),
    [
        ("ipv4", {"node-1", "198.18.0.1", "203.0.113.1", "10.96.0.1"}),
        ("dual-stack", {"node-1", "198.18.0.1", "fd66::1", "203.0.113.1", "10.96.0.1", "fd44:0:0:ffff::1"}),
        ("ipv6", {"node-1", "fd66::1", "203.0.113.1", "fd44:0:0:ffff::1"}),
    ],
)
def test_the_certificate_has_all_addresses_of_the_api_server(mode: str, names: set[str]) -> None:
    """Node addresses of both families, the SSH address, the first service address of each family; bare IPv6."""
    assert set(certificate_names(spec_of(mode))) == names


def test_extra_names_are_in_the_certificate_once() -> None:
    """Extra names and the endpoint, in one spelling, without repetition; a zone never gets in."""
    spec = spec_of("dual-stack", control_plane={"endpoint": "API.example.org:8443", "extra_sans": ["FD66:0::1", "api.example.org", "x"]})
    names = certificate_names(spec)
    assert len(names) == len(set(names))
    assert {"api.example.org", "fd66::1", "x"} <= set(names)


@pytest.mark.parametrize(
    ("mode", "endpoint", "written", "bound"),
    [
        ("ipv4", None, "198.18.0.1:6443", 6443),
        ("ipv6", None, "[fd66::1]:6443", 6443),
        ("ipv6", "fd66::1", "[fd66::1]:6443", 6443),
        ("ipv6", "[fd66::1]:7443", "[fd66::1]:7443", 7443),
        ("ipv6", "[FD66:0::1]:7443", "[fd66::1]:7443", 7443),
        ("ipv4", "api.example.org", "api.example.org:6443", 6443),
        ("ipv4", "api.example.org:443", "api.example.org:443", 6443),
    ],
)
def test_the_endpoint_is_always_set_with_its_port(mode: str, endpoint: str | None, written: str, bound: int) -> None:
    """Brackets in host:port; the API server itself listens on that port only where the endpoint is its own address."""
    spec = spec_of(mode, control_plane={"endpoint": endpoint})
    assert control_plane_endpoint(spec) == written
    assert cluster_configuration(spec)["controlPlaneEndpoint"] == written
    assert bind_port(spec) == bound
    join = join_configuration(spec, spec.hosts[1], token="abcdef.0123456789abcdef", ca_hash="sha256:00")
    assert join["discovery"]["bootstrapToken"]["apiServerEndpoint"] == written


def test_the_api_server_listens_on_the_bind_port_of_the_file() -> None:
    """kubeadm writes it into the static pod and its probes. Without an endpoint, clients connect to it."""
    spec = spec_of("ipv6", control_plane={"bind_port": 7443})
    assert init_configuration(spec)["localAPIEndpoint"] == {"advertiseAddress": "fd66::1", "bindPort": 7443}
    assert control_plane_endpoint(spec) == "[fd66::1]:7443"
    named = spec_of("ipv6", control_plane={"bind_port": 8443, "endpoint": "api.example.org:443"})
    assert init_configuration(named)["localAPIEndpoint"]["bindPort"] == 8443
    assert control_plane_endpoint(named) == "api.example.org:443"


def test_volumes_and_files_are_mounted_in_the_static_pods() -> None:
    """A volume in its component; the folder of the files in all three. etcd has no volumes, and a file without them has no field."""
    volume = {
        "name": "audit",
        "host_path": "/var/log/kubernetes",
        "mount_path": "/log",
        "path_type": "DirectoryOrCreate",
        "read_only": False,
    }
    plain = cluster_configuration(spec_of("ipv4"))
    assert all("extraVolumes" not in plain[part] for part in ("apiServer", "controllerManager", "scheduler"))
    written = cluster_configuration(spec_of("ipv4", kubeadm={"extra_volumes": {"apiserver": [volume]}, "files": {"a.yaml": "x"}}))
    files = {
        "name": "sixstack-files",
        "hostPath": "/etc/kubernetes/sixstack",
        "mountPath": "/etc/kubernetes/sixstack",
        "readOnly": True,
        "pathType": "Directory",
    }
    assert written["apiServer"]["extraVolumes"] == [
        {
            "name": "audit",
            "hostPath": "/var/log/kubernetes",
            "mountPath": "/log",
            "readOnly": False,
            "pathType": "DirectoryOrCreate",
        },
        files,
    ]
    assert written["controllerManager"]["extraVolumes"] == written["scheduler"]["extraVolumes"] == [files]
    assert "extraVolumes" not in written["etcd"]["local"]


def test_settings_of_the_file_take_precedence() -> None:
    """Over the defaults of sixstack, for each component."""
    spec = spec_of(
        "ipv6",
        kubeadm={
            "ignore_preflight": ["SystemVerification"],
            "kubelet": {"cgroupDriver": "cgroupfs", "healthzBindAddress": "127.0.0.1"},
            "kube_proxy": {"mode": "iptables", "metricsBindAddress": ""},
            "extra_args": {
                "apiserver": {"bind-address": "fd66::1"},
                "controller_manager": {"kube-api-qps": "7"},
                "scheduler": {"v": "4"},
                "etcd": {"quota-backend-bytes": "1"},
                "kubelet": {"v": "3"},
            },
        },
    )
    cluster = cluster_configuration(spec)
    assert kubelet_configuration(spec)["healthzBindAddress"] == "127.0.0.1"
    assert cgroup_driver(spec) == kubelet_configuration(spec)["cgroupDriver"] == "cgroupfs"
    assert proxy_mode(spec) is ProxyMode.IPTABLES
    assert kube_proxy_configuration(spec)["metricsBindAddress"] == ""
    assert arguments(cluster["apiServer"])["bind-address"] == "fd66::1"
    assert arguments(cluster["controllerManager"])["kube-api-qps"] == "7"
    assert arguments(cluster["scheduler"])["v"] == "4"
    assert arguments(cluster["etcd"]["local"])["quota-backend-bytes"] == "1"
    registration = init_configuration(spec)["nodeRegistration"]
    assert {"name": "v", "value": "3"} in registration["kubeletExtraArgs"]
    assert registration["ignorePreflightErrors"] == ["SystemVerification"]


def test_defaults_are_systemd_and_nftables() -> None:
    """Without settings in the file."""
    assert cgroup_driver(spec_of("ipv4")) == "systemd"
    assert proxy_mode(spec_of("ipv4")) is ProxyMode.NFTABLES


def test_a_worker_registers_with_its_taints_and_a_control_plane_with_kubeadms() -> None:
    """No pod is scheduled to a worker before its taints are there; a control plane's own taint is kubeadm's default."""
    spec = spec_of("ipv4")
    taints = [{"key": "dedicated", "value": "x", "effect": "NoSchedule"}]
    worker = spec.hosts[1].model_validate({**spec.hosts[1].model_dump(), "taints": taints})
    tainted = spec.model_copy(update={"hosts": (spec.hosts[0], worker)})
    join = join_configuration(tainted, worker, token="abcdef.0123456789abcdef", ca_hash="sha256:00")
    assert join["nodeRegistration"]["taints"] == taints
    assert join_configuration(spec, spec.hosts[1], token="t", ca_hash="h")["nodeRegistration"]["taints"] == []
    assert "taints" not in init_configuration(spec)["nodeRegistration"]


def test_init_documents_contain_no_secret() -> None:
    """kubeadm makes its own token, with a minute to live; the documents hold none."""
    documents = init_documents(spec_of("dual-stack"))
    assert documents[0]["bootstrapTokens"] == [{"ttl": "1m0s", "description": "made by kubeadm init, not used"}]
    assert [document["kind"] for document in documents] == [
        "InitConfiguration",
        "ClusterConfiguration",
        "KubeletConfiguration",
        "KubeProxyConfiguration",
    ]
