"""The models of the cluster file: frozen and typed. The Prefect UI renders them as a form.

This module has only the structure. cluster/file/reader.py reads a document and reports all faults; cluster/rules/ has the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.families import Address, Family, Network, StackMode, families_of, family_of
from cluster.vocabulary.releases import DEFAULT_RELEASE


class Role(StrEnum):
    """Role of a host in the cluster."""

    CONTROL_PLANE = "control-plane"
    WORKER = "worker"


class CopiesKept(StrEnum):
    """Which copies of a test cluster's etcd and PKI are kept."""

    LAST = "last"
    ALL = "all"
    NONE = "none"


class Encapsulation(StrEnum):
    """Which pod packets between nodes VXLAN encapsulates, with Calico's names."""

    ALWAYS = "Always"
    CROSS_SUBNET = "CrossSubnet"  # only between nodes in different subnets
    NEVER = "Never"


class TaintEffect(StrEnum):
    """Effect of a taint on pods that do not tolerate the taint."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class VolumeType(StrEnum):
    """Type of the path of a volume on the host (Kubernetes, hostPath). Types with OrCreate are created when they are missing."""

    FILE = "File"
    FILE_OR_CREATE = "FileOrCreate"
    DIRECTORY = "Directory"
    DIRECTORY_OR_CREATE = "DirectoryOrCreate"
    SOCKET = "Socket"
    CHARACTER_DEVICE = "CharDevice"
    BLOCK_DEVICE = "BlockDevice"


class ProxyMode(StrEnum):
    """Mode of kube-proxy. ipvs is not supported, because Kubernetes deprecates it."""

    NFTABLES = "nftables"
    IPTABLES = "iptables"


class Unparsed(Exception):
    """A rule accessed a field that could not be read (cluster/file/reader.py reports why). This rule stops; the other rules continue."""


@dataclass(frozen=True, slots=True)
class Describe:
    """Description of a string pattern, for hints."""

    words: str


@dataclass(frozen=True, slots=True)
class MultiLine:
    """A string that may have line breaks and tabs."""


def parse_address(value: object) -> Address:
    """Parse an IP address. ValueError for anything else, including an IPv6 zone (`%eth0`)."""
    if isinstance(value, IPv4Address | IPv6Address):
        return value
    if not isinstance(value, str):
        raise ValueError("not an IP address")
    address = ip_address(value)
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise ValueError("an address with a zone is valid on one machine only")
    return address


def parse_network(value: object) -> Network:
    """Parse a network in CIDR notation without host bits. ValueError for anything else, including a missing prefix length or a dotted netmask."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str):
        raise ValueError("not a network")
    address, slash, prefix = value.partition("/")
    if not slash or not prefix.isdigit() or (prefix[0] == "0" and prefix != "0"):
        raise ValueError("a network ends with / and its prefix length, without leading zeros")
    parse_address(address)
    return ip_network(value)


# pydantic's IPvAny types have a JSON format that forms do not support, and cost import time
IPAddress = Annotated[IPv4Address | IPv6Address, BeforeValidator(parse_address), WithJsonSchema({"type": "string", "title": "IP address"})]
IPNetwork = Annotated[IPv4Network | IPv6Network, BeforeValidator(parse_network), WithJsonSchema({"type": "string", "title": "CIDR"})]
NodeName = Annotated[str, StringConstraints(min_length=1, max_length=253)]
BlockName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63),
    Describe("a block name of lower-case letters, digits and inner hyphens"),
]
ClusterName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$", max_length=40),
    Describe("a name of lower-case letters, digits and inner hyphens that begins with a letter"),
]
Version = Annotated[
    str,
    # no leading zeros, which kubeadm refuses
    StringConstraints(pattern=r"^v?(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){2}$"),
    Describe(f"a version of three numbers without leading zeros such as {DEFAULT_RELEASE.kubernetes}"),
]
CertificateAuthority = Annotated[str, StringConstraints(min_length=1, max_length=65536), MultiLine()]
FileName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100),
    Describe("a file name of letters, digits, - _ . that begins with a letter or digit, without a folder"),
]
FileContent = Annotated[str, StringConstraints(min_length=1, max_length=65536), MultiLine()]
Port = Annotated[int, Field(ge=1, le=65535)]
ImageReference = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9.-]+(:[1-9]\d{0,4})?(/[a-z0-9._-]+)+(:[A-Za-z0-9_][A-Za-z0-9._-]*)?(@sha256:[0-9a-f]{64})?$", max_length=255
    ),
    Describe("a full image reference such as registry.example.org/calico/node:v3.31.0"),
]


class SpecModel(BaseModel):
    """Base of all models: frozen, without unknown fields.

    A partly read spec (cluster/file/reader.py) lacks the fields that could not be read. Accessing such a field raises Unparsed.
    """

    # Build validators on first use. Reading a file needs none, and default factories construct without validation, so `sixstack check` starts fast:
    # the first validator costs 20 ms, as pydantic then looks for plug-ins in every installed package.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def has(self, name: str) -> bool:
        """Whether the field could be read. Always true for a spec without problems."""
        return name in self.__dict__

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                raise Unparsed(name)
            return super().__getattr__(name)


class Endpoint(SpecModel):
    """SSH endpoint of one machine."""

    address: str = Field(description="IP address (IPv6 without brackets) or DNS name of sshd.", examples=["198.18.0.11", "fd66::11"])
    port: Port = Field(22, description="TCP port of sshd.")
    user: str = Field("root", min_length=1, description="User name. A user other than root needs sudo.")
    credential: BlockName = Field("default", description="Name of an `SSH credential` block.")
    host_key: str | None = Field(
        None,
        description="Pinned public key, `ssh-ed25519 AAAA...`, as `sixstack pin FILE` writes it; or `trust-on-first-use`: "
        "the key of the first login is recorded in the cluster's `Recorded host keys` block, and every other key is refused from then on.",
        examples=["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI..."],
    )


class SSH(Endpoint):
    """SSH connection to a host, independent of the addresses of the node."""

    jump: Endpoint | None = Field(None, description="Jump host between the worker and this host.")


class Taint(SpecModel):
    """One taint of a node."""

    key: str = Field(min_length=1, description="Taint key.")
    value: str = Field("", description="Taint value.")
    effect: TaintEffect = Field(description="Taint effect.")


class Host(SpecModel):
    """One machine of the cluster."""

    name: NodeName = Field(description="Host name and node name: a lowercase RFC 1123 subdomain.", examples=["node-1"])
    role: Role = Field(description="control-plane or worker.")
    ssh: SSH = Field(description="SSH connection to the machine.")
    addresses: tuple[IPAddress, ...] = Field(
        (),
        description="Node addresses, one per family in use, primary family first. Default: detected on the host.",
        examples=[["198.18.0.11", "fd66::11"]],
    )
    interface: str | None = Field(None, description="Interface with the node addresses. Default: the interface of the default route.")
    labels: dict[str, str] = Field(default_factory=dict, description="Extra node labels.")
    taints: tuple[Taint, ...] = Field((), description="Extra node taints.")

    def address(self, family: Family) -> Address | None:
        """The node address of one family from the file, or None."""
        return next((address for address in self.addresses if family_of(address) is family), None)


class PodNetwork(SpecModel):
    """A pod range, split into one range per node."""

    cidr: IPNetwork = Field(description="Pod CIDR.", examples=["10.244.0.0/16", "fd44::/56"])
    node_mask: Annotated[int, Field(ge=1, le=128)] | None = Field(
        None, description="Prefix length of each node's range. Default: 24 (IPv4), 64 (IPv6)."
    )

    @property
    def mask(self) -> int:
        """The effective node mask (kube-controller-manager's defaults: 24 and 64)."""
        return self.node_mask if self.node_mask is not None else (24 if self.cidr.version == 4 else 64)

    @property
    def node_ranges(self) -> int:
        """How many nodes fit: 2^(node mask - pod mask)."""
        return int(2 ** max(0, self.mask - self.cidr.prefixlen))


class NetworkSpec(SpecModel):
    """Pod and service ranges, one per family in use, primary family first."""

    pods: tuple[PodNetwork, ...] = Field(description="Pod ranges, primary family first.")
    services: tuple[IPNetwork, ...] = Field(
        description="Service ranges, primary family first.", examples=[["10.96.0.0/16", "fd44:0:0:ffff::/112"]]
    )
    dns_domain: str = Field("cluster.local", description="DNS domain of services.")
    dns_upstreams: tuple[IPAddress, ...] = Field(
        (), description="Name servers that CoreDNS forwards to. Default: the name servers of the node."
    )


class Pool(SpecModel):
    """Calico's IP pool of one family. Its range is the pod range of that family."""

    block_size: Annotated[int, Field(ge=20, le=128)] | None = Field(
        None, description="Prefix length of the blocks assigned to nodes: 20 to 32 for IPv4, 116 to 128 for IPv6. Default: 26 and 122."
    )
    nat_outgoing: bool = Field(
        True,
        description="Translate the source address of pod traffic that leaves the cluster to the node's address. Set false when the surrounding network routes the pod range.",
    )
    encapsulation: Encapsulation = Field(
        Encapsulation.ALWAYS, description="Which pod packets between nodes VXLAN encapsulates: all, only across subnets, or none."
    )


# Calico's defaults
DEFAULT_BLOCKS = {Family.IPV4: 26, Family.IPV6: 122}


class Pools(SpecModel):
    """Calico's pools, by family."""

    ipv4: Pool = Field(default_factory=Pool.model_construct, description="The pool of IPv4 pod addresses.")
    ipv6: Pool = Field(default_factory=Pool.model_construct, description="The pool of IPv6 pod addresses.")

    def of(self, family: Family) -> Pool:
        """The settings of one family."""
        return self.ipv4 if family is Family.IPV4 else self.ipv6

    def block_size(self, family: Family) -> int:
        """The effective prefix length of the blocks of a family."""
        given = self.of(family).block_size
        return given if given is not None else DEFAULT_BLOCKS[family]


class Cni(SpecModel):
    """The pod network plug-in."""

    kind: CniKind = Field(CniKind.FLANNEL, description="flannel or calico (both with VXLAN), manifests (your own files), or none.")
    version: Version | None = Field(
        None, description="Version of flannel or Calico. Default: the version in the bundle.", examples=[DEFAULT_RELEASE.calico]
    )
    images: dict[str, ImageReference] = Field(
        default_factory=dict,
        description="Image references that replace the published ones, by name: flannel, flannel-cni-plugin, calico-node, calico-cni, calico-kube-controllers.",
        examples=[{"calico-node": "registry.example.org/calico/node:v3.31.0"}],
    )
    vxlan_port: Port | None = Field(None, description="UDP port of VXLAN. Default: 8472 for flannel, 4789 for Calico.")
    mtu: Annotated[int, Field(ge=1280, le=65535)] | None = Field(None, description="Pod MTU. Default: derived from the MTU of the link.")
    pools: Pools = Field(default_factory=Pools.model_construct, description="Calico's address pools.")
    network_policy: bool | None = Field(
        None, description="Whether your own plug-in enforces NetworkPolicy. Calico does, flannel does not. Default: unknown."
    )
    files: tuple[str, ...] = Field(
        (),
        description="For `manifests`: YAML or JSON files to apply, in order. The files are on the machine of the Prefect worker. "
        "The `sixstack` command resolves relative paths against the folder of the cluster file.",
        examples=[["cilium.yaml"]],
    )


class ControlPlane(SpecModel):
    """How clients reach the API server."""

    endpoint: str | None = Field(
        None,
        description="host or host:port of the API for all nodes, such as a load balancer or a virtual IP. An IPv6 address with a port is in brackets. "
        "Default: the address of the first control plane.",
        examples=["api.example.org:6443"],
    )
    bind_port: Port | None = Field(
        None,
        description="Port that the API server listens on. When the port of the endpoint is another one, a load balancer or a packet filter "
        "must forward it. Default: the port of an endpoint that is an address of the control plane, else 6443.",
    )
    extra_sans: tuple[str, ...] = Field((), description="Additional names or addresses in the API server's certificate.")


class Volume(SpecModel):
    """A file or folder of the control plane that a component sees in its container."""

    name: str = Field(description="Name of the volume: a lowercase RFC 1123 label.", examples=["audit-log"])
    host_path: str = Field(description="Absolute path on the control plane.", examples=["/var/log/kubernetes"])
    mount_path: str | None = Field(None, description="Absolute path in the container. Default: the same path.")
    read_only: bool = Field(True, description="Whether the component can only read it.")
    path_type: VolumeType = Field(
        VolumeType.FILE,
        description="Type of the path on the host. It must exist before the cluster is created, except for types with OrCreate.",
    )

    @property
    def inside(self) -> str:
        """The effective path in the container."""
        return self.mount_path if self.mount_path is not None else self.host_path


class Kubeadm(SpecModel):
    """Extra settings for kubeadm."""

    ignore_preflight: tuple[str, ...] = Field((), description="Names of kubeadm preflight checks to ignore.")
    kubelet: dict[str, Any] = Field(default_factory=dict, description="Fields of KubeletConfiguration.")
    kube_proxy: dict[str, Any] = Field(default_factory=dict, description="Fields of KubeProxyConfiguration.")
    extra_args: dict[Literal["apiserver", "controller_manager", "scheduler", "etcd", "kubelet"], dict[str, str]] = Field(
        default_factory=dict, description="Extra command-line arguments per component."
    )
    extra_volumes: dict[Literal["apiserver", "controller_manager", "scheduler"], tuple[Volume, ...]] = Field(
        default_factory=dict,
        description="Files and folders of the control plane that a component needs, for example for its arguments.",
        examples=[
            {"apiserver": [{"name": "audit-log", "host_path": "/var/log/kubernetes", "path_type": "DirectoryOrCreate", "read_only": False}]}
        ],
    )
    files: dict[FileName, FileContent] = Field(
        default_factory=dict,
        description="Files by name, such as an audit policy: written to /etc/kubernetes/sixstack/NAME on every host, readable by root only, and "
        "mounted there in kube-apiserver, kube-controller-manager and kube-scheduler. A component reads a changed file when it restarts. "
        "At most 64 KiB each and 256 KiB in all. No secrets: put such files on the control plane yourself and use `extra_volumes`.",
        examples=[{"audit-policy.yaml": "apiVersion: audit.k8s.io/v1..."}],
    )


class Images(SpecModel):
    """Sources of images that the bundle does not contain."""

    repository: str = Field("registry.k8s.io", description="Registry and path of the Kubernetes images.")
    mirrors: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Mirror URLs by registry, tried in order; `_default` is every registry that is not listed. A path in a URL is the root of the "
        "registry API, with its v2: `https://harbor.example.org/v2/docker-hub`. Verification of certificates cannot be switched off, because anyone "
        "on the path could then serve images: set `ca` instead.",
        examples=[{"docker.io": ["https://mirror.example.org"]}],
    )
    ca: dict[str, CertificateAuthority] = Field(
        default_factory=dict,
        description="Certificate authorities as PEM, by host or host:port of a mirror or registry. Hosts trust their own authorities too.",
        examples=[{"mirror.example.org:5000": "-----BEGIN CERTIFICATE-----..."}],
    )


class Proxy(SpecModel):
    """HTTP proxy for image pulls on the hosts."""

    http: str | None = Field(None, description="http_proxy.")
    https: str | None = Field(None, description="https_proxy.")
    no_proxy: tuple[str, ...] = Field((), description="Names and CIDRs that bypass the proxy. The ranges of the cluster are added.")


class Prepare(SpecModel):
    """Changes on hosts that need permission."""

    swap_off: bool = Field(False, description="Switch swap off, now and at boot.")
    accept_ra: bool = Field(
        True,
        description="Set accept_ra=2 on links that would otherwise lose an IPv6 default route or address from router advertisements.",
    )


class ClusterSpec(SpecModel):
    """Desired state of a Kubernetes cluster."""

    name: ClusterName = Field(description="Name of the cluster.", examples=["demo"])
    kubernetes_version: Version = Field(
        DEFAULT_RELEASE.kubernetes, description="Kubernetes version. The bundle must have the same version."
    )
    stack: StackMode = Field(description="ipv4, dual-stack or ipv6.")
    primary_family: Family = Field(Family.IPV4, description="Primary family of a dual-stack cluster.")
    hosts: tuple[Host, ...] = Field(min_length=1, description="The machines.")
    network: NetworkSpec = Field(description="Pod and service ranges.")
    cni: Cni = Field(default_factory=Cni.model_construct, description="Pod network plug-in.")
    test_hosts: bool = Field(
        False,
        description="The machines are test hosts: `retest-clusters` may delete what sixstack put on them, and create this cluster there again and again. "
        "Each machine must also have the marker of `sixstack mark-test-hosts`.",
    )
    test_copies: CopiesKept | None = Field(
        None,
        description="Which copies of etcd and PKI are kept when a cluster with `test_hosts: true` is deleted: the last one, all, or none. "
        "Default: last if the Backup store block exists, else none. Other clusters keep all.",
    )
    tkestack_labels: bool = Field(False, description="Also set the node labels that TKEStack's tools use to find a node.")
    bundle: BlockName = Field("default", description="Name of an `Artifact bundle` block.")
    audit: BlockName = Field("default", description="Name of an `Audit store` block.")
    backups: BlockName = Field(
        "default",
        description="Name of a `Backup store` block, for backups, and for copies of etcd and PKI before they are removed. Test clusters: see `test_copies`.",
    )
    backups_kept: Annotated[int, Field(ge=1, le=1000)] = Field(
        14, description="How many copies of each control plane a backup keeps, itself included. Copies from before a deletion are kept too."
    )
    control_plane: ControlPlane = Field(default_factory=ControlPlane.model_construct, description="API endpoint and certificate names.")
    kubeadm: Kubeadm = Field(default_factory=Kubeadm.model_construct, description="Extra kubeadm settings.")
    images: Images = Field(default_factory=Images.model_construct, description="Image sources.")
    proxy: Proxy = Field(default_factory=Proxy.model_construct, description="HTTP proxy of the hosts.")
    prepare: Prepare = Field(default_factory=Prepare.model_construct, description="Permitted changes on hosts.")

    @property
    def families(self) -> tuple[Family, ...]:
        """Families in use, primary first."""
        return families_of(self.stack, self.primary_family)

    @property
    def version(self) -> str:
        """The Kubernetes version with its leading v."""
        return "v" + self.kubernetes_version.removeprefix("v")

    @property
    def control_planes(self) -> tuple[Host, ...]:
        """Hosts with the control-plane role, in file order."""
        return tuple(host for host in self.hosts if host.role is Role.CONTROL_PLANE)

    @property
    def workers(self) -> tuple[Host, ...]:
        """Hosts with the worker role, in file order."""
        return tuple(host for host in self.hosts if host.role is Role.WORKER)

    def host(self, name: str) -> Host:
        """The host with this name. KeyError when there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    @property
    def service_ranges(self) -> tuple[Network, ...]:
        """Service CIDRs, primary first."""
        return self.network.services

    @property
    def pod_ranges(self) -> tuple[Network, ...]:
        """Pod CIDRs, primary first."""
        return tuple(pods.cidr for pods in self.network.pods)
