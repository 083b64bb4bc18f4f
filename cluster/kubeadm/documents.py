"""The values of the kubeadm v1beta4 documents for each stack mode; templates/kubeadm/ writes them as YAML.

All settings that depend on the families are here: the advertised address, the certificate names, the node masks of the controller manager,
and the bind addresses. They follow the behaviour of kubeadm, kubelet and kube-proxy 1.36.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from cluster.kubeadm.volumes import volumes_of
from cluster.vocabulary.families import Family, StackMode, family_of
from cluster.vocabulary.hostport import API_PORT, api_bind_port, join_host_port, split_host_port
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec, Host, ProxyMode, Taint
from cluster.vocabulary.topology import topology

CRI_SOCKET = "unix:///run/containerd/containerd.sock"
KUBEADM_API = "kubeadm.k8s.io/v1beta4"
# has the id of the token of kubeadm's made-up cluster (util/apiclient/dryrun.go), and not its secret
NO_TOKEN = "abcdef.0000000000000000"

# At start the controller manager makes about 130 requests for the service accounts of its controllers. With its default limit of 20 requests
# per second a new cluster waits 5 s for its first controller. API priority and fairness still protects the API server.
CONTROLLER_RATE = {"kube-api-qps": "100", "kube-api-burst": "200"}
# The first attempt to get the lease fails, because RBAC is not ready. This is the interval of further attempts (default 2 s).
ELECTION = {"leader-elect-retry-period": "1s"}


def api_endpoint(spec: ResolvedSpec) -> tuple[str, int]:
    """Host (IPv6 without brackets) and port of the API for all nodes: the endpoint from the file, else the first address of the control plane."""
    if spec.control_plane.endpoint is None:
        return str(topology(spec).seed.addresses[0]), bind_port(spec)
    return split_host_port(spec.control_plane.endpoint, API_PORT)


def control_plane_endpoint(spec: ResolvedSpec) -> str:
    """host:port with brackets around IPv6 (RFC 3986): kubeadm's controlPlaneEndpoint, and the URL host in every kubeconfig."""
    return join_host_port(*api_endpoint(spec))


def bind_port(spec: ResolvedSpec) -> int:
    """The port that the API server listens on."""
    return api_bind_port(spec.control_plane, topology(spec).seed.addresses)


def proxy_mode(spec: ClusterSpec) -> ProxyMode:
    """The mode of kube-proxy: `kubeadm.kube_proxy.mode`, default nftables (atomic updates, only two tables to clean)."""
    return ProxyMode(spec.kubeadm.kube_proxy.get("mode") or ProxyMode.NFTABLES)


def cgroup_driver(spec: ClusterSpec) -> str:
    """The cgroup driver of kubelet and containerd: `kubeadm.kubelet.cgroupDriver`, default systemd."""
    return str(spec.kubeadm.kubelet.get("cgroupDriver") or "systemd")


def certificate_names(spec: ResolvedSpec) -> tuple[str, ...]:
    """All addresses of the control planes in both families, their SSH addresses, the endpoint, the first service address of each family, and
    `extra_sans`. kubeadm adds the names of the `kubernetes` service.

    IPv6 addresses have no brackets, because certificates contain addresses, not URLs (RFC 5280, 4.2.1.6).
    """
    names: list[str] = []
    for host in spec.control_planes:
        names += [host.name, *(str(address) for address in host.addresses)]
        if "%" not in host.ssh.address:  # a zone id is valid on one machine only
            names.append(host.ssh.address)
    names.append(api_endpoint(spec)[0])
    names += [str(services.network_address + 1) for services in spec.service_ranges]
    names += spec.control_plane.extra_sans
    return tuple(dict.fromkeys(_canonical(name) for name in names))


def api_server_names(spec: ResolvedSpec, host: Host) -> tuple[str, ...]:
    """All names in the certificate of the API server on a control plane: those above, and those that kubeadm adds."""
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{spec.network.dns_domain}")
    own = (host.name, *(str(address) for address in host.addresses[:1]))
    return tuple(dict.fromkeys(_canonical(name) for name in (*own, *service, *certificate_names(spec))))


def init_configuration(spec: ResolvedSpec) -> dict[str, Any]:
    """InitConfiguration of the first control plane."""
    host = topology(spec).seed
    return {
        "apiVersion": KUBEADM_API,
        "kind": "InitConfiguration",
        # kubeadm always creates a token. It expires at once (random, never printed), because sixstack creates tokens for workers when needed
        "bootstrapTokens": [{"ttl": "1m0s", "description": "made by kubeadm init, not used"}],
        "localAPIEndpoint": {"advertiseAddress": str(host.addresses[0]), "bindPort": bind_port(spec)},
        "nodeRegistration": _node_registration(spec, host),
    }


def cluster_configuration(spec: ResolvedSpec) -> dict[str, Any]:
    """ClusterConfiguration. Only certSANs change during the life of the cluster, by renew-certificates."""
    extra = spec.kubeadm.extra_args
    primary = spec.families[0]
    loopback = {"bind-address": "::1"} if spec.stack is StackMode.IPV6 else {}  # kubeadm's default is 127.0.0.1, even in IPv6-only clusters
    everywhere = {"bind-address": "::"} if primary is Family.IPV6 else {}
    return {
        "apiVersion": KUBEADM_API,
        "kind": "ClusterConfiguration",
        "clusterName": spec.name,
        "kubernetesVersion": spec.version,
        "controlPlaneEndpoint": control_plane_endpoint(spec),
        "imageRepository": spec.images.repository,
        # EC keys take milliseconds and make handshakes cheaper; RSA keys take seconds of init on a small machine
        "encryptionAlgorithm": "ECDSA-P256",
        "networking": {
            "podSubnet": ",".join(str(pods) for pods in spec.pod_ranges),
            "serviceSubnet": ",".join(str(services) for services in spec.service_ranges),
            "dnsDomain": spec.network.dns_domain,
        },
        "apiServer": {
            "certSANs": list(certificate_names(spec)),
            "extraArgs": _args(everywhere, extra.get("apiserver", {})),
            **_volumes(spec, "apiserver"),
        },
        "controllerManager": {
            "extraArgs": _args(loopback, ELECTION, CONTROLLER_RATE, node_mask_args(spec), extra.get("controller_manager", {})),
            **_volumes(spec, "controller_manager"),
        },
        "scheduler": {"extraArgs": _args(loopback, ELECTION, extra.get("scheduler", {})), **_volumes(spec, "scheduler")},
        # the etcd URLs follow the advertise address: kubeadm writes [::1] if it is IPv6
        "etcd": {"local": {"dataDir": "/var/lib/etcd", "extraArgs": _args(extra.get("etcd", {}))}},
    }


def node_mask_args(spec: ClusterSpec) -> dict[str, str]:
    """One argument per family. kube-controller-manager refuses the argument without family in dual-stack, and applies it to IPv4 otherwise."""
    return {f"node-cidr-mask-size-{family_of(pods.cidr).value}": str(pods.mask) for pods in spec.network.pods}


def kubelet_configuration(spec: ClusterSpec) -> dict[str, Any]:
    """KubeletConfiguration of every node. The file takes precedence."""
    document: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": cgroup_driver(spec),
        "clusterDomain": spec.network.dns_domain,
    }
    if spec.families[0] is Family.IPV6:
        document["address"] = "::"
    if spec.stack is StackMode.IPV6:
        document["healthzBindAddress"] = "::1"
    return {**document, **spec.kubeadm.kubelet}


def kube_proxy_configuration(spec: ClusterSpec) -> dict[str, Any]:
    """KubeProxyConfiguration. The file takes precedence."""
    primary_is_ipv6 = spec.families[0] is Family.IPV6
    document: dict[str, Any] = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": proxy_mode(spec).value,
        "clusterCIDR": ",".join(
            str(pods) for pods in spec.pod_ranges
        ),  # all families, or kube-proxy treats pods of the other family as external
        "bindAddress": "::" if primary_is_ipv6 else "0.0.0.0",
    }
    if spec.stack is StackMode.IPV6:
        document |= {"healthzBindAddress": "[::]:10256", "metricsBindAddress": "[::1]:10249"}
    return {**document, **spec.kubeadm.kube_proxy}


def init_documents(spec: ResolvedSpec) -> list[dict[str, Any]]:
    """The documents of `kubeadm init --config`, in kubeadm's usual order."""
    return [init_configuration(spec), cluster_configuration(spec), kubelet_configuration(spec), kube_proxy_configuration(spec)]


def join_configuration(spec: ResolvedSpec, host: Host, *, token: str, ca_hash: str) -> dict[str, Any]:
    """JoinConfiguration of a worker. It contains the token, so it goes only into a 0600 file on the host, never into a value, log or record."""
    return {
        "apiVersion": KUBEADM_API,
        "kind": "JoinConfiguration",
        "discovery": {
            "bootstrapToken": {"apiServerEndpoint": control_plane_endpoint(spec), "token": token, "caCertHashes": [ca_hash]},
        },
        "nodeRegistration": _node_registration(spec, host),
        "timeouts": {"discovery": "2m0s", "tlsBootstrap": "3m0s"},
    }


def join_check_configuration(spec: ResolvedSpec, host: Host) -> dict[str, Any]:
    """JoinConfiguration for the preflight checks of a worker, which kubeadm makes before it uses the token or asks an API server.

    After the checks, `--dry-run` asks the endpoint for the ConfigMap cluster-info. Nothing listens there, so kubeadm makes one up. It is signed with
    another token of the same id, and kubeadm ends there. It would ask the API server of the made-up cluster next, at an address of a private network.
    The checks that depend on the family of the endpoint are those of the API's family.
    """
    try:
        family = family_of(ipaddress.ip_address(api_endpoint(spec)[0]))
    except ValueError:  # a name
        family = spec.families[0]
    nowhere = join_host_port("::1" if family is Family.IPV6 else "127.0.0.1", 1)
    discovery = {"bootstrapToken": {"apiServerEndpoint": nowhere, "token": NO_TOKEN, "unsafeSkipCAVerification": True}}
    return {**join_configuration(spec, host, token="", ca_hash=""), "discovery": discovery}


def upgrade_configuration(spec: ClusterSpec) -> dict[str, Any]:
    """UpgradeConfiguration for `kubeadm upgrade apply` and `kubeadm upgrade node`. All other settings are in ConfigMaps of the cluster."""
    common: dict[str, Any] = {"imagePullPolicy": "IfNotPresent", "imagePullSerial": False}
    if spec.kubeadm.ignore_preflight:
        common["ignorePreflightErrors"] = list(spec.kubeadm.ignore_preflight)
    return {
        "apiVersion": KUBEADM_API,
        "kind": "UpgradeConfiguration",
        "apply": {"kubernetesVersion": spec.version, **common},
        "node": common,
    }


def kubelet_arguments(spec: ResolvedSpec, host: Host) -> dict[str, str]:
    """The arguments of the kubelet beside kubeadm's own."""
    return {"node-ip": ",".join(str(address) for address in host.addresses), **spec.kubeadm.extra_args.get("kubelet", {})}


def _node_registration(spec: ResolvedSpec, host: Host) -> dict[str, Any]:
    registration: dict[str, Any] = {
        "name": host.name,
        "criSocket": CRI_SOCKET,
        "imagePullPolicy": "IfNotPresent",
        "imagePullSerial": False,
        # both addresses on every init and join, primary family first
        "kubeletExtraArgs": _args(kubelet_arguments(spec, host)),
    }
    if host in spec.workers:  # omitted on a control plane, which gets kubeadm's taint; step label-node sets the taints from the file
        registration["taints"] = [_taint(taint) for taint in host.taints]
    if spec.kubeadm.ignore_preflight:
        registration["ignorePreflightErrors"] = list(spec.kubeadm.ignore_preflight)
    return registration


def _taint(taint: Taint) -> dict[str, str]:
    return {"key": taint.key, "value": taint.value, "effect": taint.effect.value}


def _args(*layers: Mapping[str, str]) -> list[dict[str, str]]:
    """Arguments as kubeadm's list. Later layers take precedence."""
    merged: dict[str, str] = {}
    for layer in layers:
        merged |= layer
    return [{"name": name, "value": value} for name, value in sorted(merged.items())]


def _volumes(spec: ClusterSpec, component: str) -> dict[str, Any]:
    """extraVolumes of a component; nothing when it has none."""
    volumes = [
        {
            "name": volume.name,
            "hostPath": volume.host_path,
            "mountPath": volume.inside,
            "readOnly": volume.read_only,
            "pathType": volume.path_type.value,
        }
        for volume in volumes_of(spec, component)
    ]
    return {"extraVolumes": volumes} if volumes else {}


def _canonical(name: str) -> str:
    """The canonical form of an address, or a DNS name in lower case."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()
