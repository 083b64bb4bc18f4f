"""Facts of one host, as frozen types. hosts/ gathers them with one script in one round trip.

Facts contain no decisions. Rules (cluster/rules/) check them, and the plan (cluster/plan/create.py) compares them with the spec.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Interface, IPv6Interface

from cluster.vocabulary.families import Address, Family, Network


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """One address of one interface, with its scope and flags from the kernel."""

    interface: IPv4Interface | IPv6Interface
    scope: str  # global, link, host, site
    flags: frozenset[str] = frozenset()  # tentative, dadfailed, deprecated, temporary, dynamic, ...

    @property
    def address(self) -> Address:
        """The address without its prefix length."""
        return self.interface.ip

    @property
    def stable(self) -> bool:
        """Whether the address can be a node address: not tentative, failed, deprecated or temporary (talos#9725)."""
        return not self.flags & {"tentative", "dadfailed", "deprecated", "temporary"}

    @property
    def from_router_advertisements(self) -> bool:
        """Whether the kernel made the address from a router advertisement (SLAAC, RFC 4862) and removes it when none renews its lifetime.

        The kernel marks only these addresses with mngtmpaddr, and newer kernels with the protocol kernel_ra.
        """
        return "dynamic" in self.flags and bool(self.flags & {"mngtmpaddr", "kernel_ra"})


@dataclass(frozen=True, slots=True)
class Link:
    """One network interface."""

    name: str
    mtu: int
    mac: str | None
    up: bool
    kind: str = ""  # veth, bridge, vxlan, ... (empty for hardware)
    addresses: tuple[InterfaceAddress, ...] = ()
    accept_ra: int | None = None  # net.ipv6.conf.IF.accept_ra; None without IPv6
    ipv6_disabled: bool = False  # net.ipv6.conf.IF.disable_ipv6


@dataclass(frozen=True, slots=True)
class DefaultRoute:
    """A default route."""

    family: Family
    interface: str
    gateway: Address | None
    protocol: str  # static, ra, dhcp, kernel, ...


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the main table that is not a default route."""

    network: Network
    interface: str  # "" for a route without a link: unreachable, blackhole, prohibit
    gateway: Address | None = None
    kind: str = "unicast"


@dataclass(frozen=True, slots=True)
class SysctlLine:
    """One line of a file with kernel settings."""

    key: str  # below /proc/sys, with slashes; may have wildcards
    value: str | None  # None: the key is excluded from wildcards


@dataclass(frozen=True, slots=True)
class SysctlFile:
    """A file whose kernel settings are set at boot."""

    path: str
    target: str = ""  # of a symbolic link
    lines: tuple[SysctlLine, ...] = ()


@dataclass(frozen=True, slots=True)
class BootSettings:
    """What sets kernel settings at the next boot."""

    files: tuple[SysctlFile, ...] = ()  # in the order of systemd-sysctl; a file that another one hides is not included
    late_files: tuple[SysctlFile, ...] = ()  # of programs that start later (ufw)
    accept_ra: Mapping[str, int] = field(default_factory=dict)  # by link, as ifupdown sets it


@dataclass(frozen=True, slots=True)
class LinkFile:
    """A [Match] section of systemd-networkd with what it matches."""

    path: str
    matches: tuple[tuple[str, str], ...] = ()  # key and value
    unmanaged: bool = False


@dataclass(frozen=True, slots=True)
class LinkManagers:
    """Programs that configure the links of the host."""

    network_manager: bool = False  # runs
    networkd: bool = False
    nm_unmanaged: tuple[str, ...] = ()  # specifications of links that NetworkManager leaves alone
    networkd_files: tuple[LinkFile, ...] = ()  # in the order of systemd-networkd


@dataclass(frozen=True, slots=True)
class KernelOptions:
    """The kernel's configuration as far as kubeadm checks it. None: unknown."""

    configuration: str | None = None  # path of the file; "" when kubeadm finds none and cannot load one
    options: frozenset[str] | None = None  # built in or modules, without CONFIG_


PROBED_INSTANCES = 12  # templates/facts/inotify.sh.j2 opens so many at most


@dataclass(frozen=True, slots=True)
class Inotify:
    """Limits of inotify for root. None: unknown."""

    instances: int | None = None
    watches: int | None = None
    free: int | None = None  # instances that could be opened, up to PROBED_INSTANCES


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount point with its options (ro, noexec, nosuid, ...)."""

    point: str
    options: frozenset[str]


@dataclass(frozen=True, slots=True)
class Socket:
    """A listening socket."""

    protocol: str  # tcp or udp
    address: Address | None  # None: every address
    family: Family | None  # None: a dual-stack wildcard
    port: int
    process: str  # name of the process if root can see it, else ""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A program or file that conflicts with sixstack, and that sixstack did not install."""

    kind: str  # package, unit, binary, process, file
    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PortRange:
    """Ports of one protocol, both ends included."""

    protocol: str  # tcp or udp
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class FirewallRule:
    """A firewall that drops packets from other hosts, for every source and interface."""

    program: str  # ufw, firewalld, nftables, iptables
    family: Family | None  # None: both
    detail: str  # table and chain, or zone, with the names of the program
    closed: tuple[PortRange, ...] = ()
    hook: str = "input"  # or forward: packets to and from pods

    def closes(self, protocol: str, port: int) -> bool:
        """Whether new packets to this port are dropped."""
        return any(ports.protocol == protocol and ports.first <= port <= ports.last for ports in self.closed)


@dataclass(frozen=True, slots=True)
class KubernetesState:
    """The state of Kubernetes on the host. Every field comes from files of kubeadm, not of sixstack."""

    ca_hash: str | None = None  # sha256:HEX of the SPKI of /etc/kubernetes/pki/ca.crt: the cluster's identity
    kubelet_config: bool = False  # /etc/kubernetes/kubelet.conf
    admin_config: bool = False  # /etc/kubernetes/admin.conf
    api_manifest: bool = False  # /etc/kubernetes/manifests/kube-apiserver.yaml
    etcd_data: bool = False  # /var/lib/etcd/member
    private_keys: bool = False  # a *.key file below /etc/kubernetes/pki: of a control plane, finished or not
    kubelet_active: bool = False
    service_ranges: tuple[Network, ...] = ()  # from the static pod manifests; empty on workers
    pod_ranges: tuple[Network, ...] = ()
    node_ips: tuple[Address, ...] = ()  # kubelet's --node-ip
    node_name: str | None = None  # kubelet's --hostname-override, which kubeadm sets if the host name differs from the name of the node
    dns_domain: str | None = None
    endpoint: str | None = None  # server of kubelet.conf or admin.conf, as a URL
    api_port: int | None = None  # --secure-port of the API server's static pod
    ca_valid_from: datetime | None = None  # of /etc/kubernetes/pki/ca.crt
    ca_valid_until: datetime | None = None
    static_images: Mapping[str, str] = field(default_factory=dict)  # of the static pods' manifests, by component: etcd, kube-apiserver, ...
    replaced: tuple[str, ...] = ()  # containerd and kubelet, if they run and their file on disk is another one by now

    @property
    def present(self) -> bool:
        """Whether the host has files of a cluster, complete or not."""
        return self.ca_hash is not None or self.kubelet_config or self.admin_config or self.api_manifest


@dataclass(frozen=True, slots=True)
class StepState:
    """A detached step with state on the host (/var/lib/sixstack/steps/NAME)."""

    name: str
    attempt: int
    running: bool
    exit_code: int | None  # None while running, or after a power failure


@dataclass(frozen=True, slots=True)
class Unknown:
    """A part of the facts that could not be read. Its fields are empty."""

    part: str  # name of a part of the facts script (templates/facts/)
    reason: str


@dataclass(frozen=True, slots=True)
class InstalledArtifacts:
    """The files and images of the bundle that a host has."""

    files: frozenset[str] = frozenset()  # content sha256 of installed and unchanged files
    images: frozenset[str] = frozenset()  # references in containerd's k8s.io namespace


@dataclass(frozen=True, slots=True)
class UnitState:
    """A systemd unit of the cluster."""

    active: bool
    enabled: bool


@dataclass(frozen=True, slots=True)
class HostFacts:
    """All facts of one host at one moment."""

    host: str  # name in the cluster file
    hostname: str  # host name of the machine
    machine_id: str
    product_uuid: str | None  # None if unreadable
    os: str  # e.g. "Debian GNU/Linux 12 (bookworm)"
    kernel: tuple[int, int, int]
    architecture: str  # amd64, arm64, or the output of uname
    cpus: int
    memory: int  # bytes
    swap: tuple[str, ...]  # active swap devices
    clock_offset: timedelta  # clock of the host minus local clock, without half the round trip
    root: bool  # commands run as root, directly or with sudo
    links: tuple[Link, ...]
    default_routes: tuple[DefaultRoute, ...]
    nameservers: tuple[Address, ...]
    forwarding: dict[Family, bool] = field(default_factory=dict)
    sockets: tuple[Socket, ...] = ()
    nat: dict[Family, bool] = field(default_factory=dict)  # nft, or iptable_nat / ip6table_nat is available; a missing family is unknown
    nftables: bool | None = None  # the kernel has nf_tables; None: unknown
    tables_for_newer_nft: tuple[str, ...] = ()  # tables of the host's own that nft before 1.1.2 cannot read, for example "inet own"
    conflicts: tuple[Conflict, ...] = ()
    firewall: tuple[FirewallRule, ...] = ()
    missing_commands: tuple[str, ...] = ()  # executables that kubeadm needs and the host lacks
    owner: str | None = None  # cluster name in /var/lib/sixstack/owner: sixstack prepared this host for it
    prepared: str | None = None  # sha256 of the inputs of the last prepare step; None: never prepared
    bundle_files: frozenset[str] = frozenset()  # content sha256 of installed and unchanged bundle files
    images: frozenset[str] = frozenset()  # references in containerd's k8s.io namespace
    disk_free: int = 0  # bytes under /var/lib
    os_ids: tuple[str, ...] = ()  # ID of /etc/os-release, then ID_LIKE, the closest first; (): unknown
    kubernetes: KubernetesState = field(default_factory=KubernetesState)
    steps: tuple[StepState, ...] = ()
    foreign_authority: bool = False  # /etc/kubernetes/pki/ca.crt changed after init or join
    test_host: bool = False  # /etc/sixstack/test-host exists: retests may use this machine
    changed_files: tuple[str, ...] = ()  # files that prepare-host wrote, and that have other content now or do not exist
    hosts_entries: tuple[str, ...] = ()  # lines of the cluster in /etc/hosts, without their comment
    units: Mapping[str, UnitState] = field(
        default_factory=dict
    )  # containerd.service and kubelet.service; without a unit whose state is unknown
    kernel_settings: Mapping[str, str] = field(default_factory=dict)  # those of kubeadm/kernel_settings.py, by dotted name
    clock_uncertainty: timedelta = timedelta()  # of clock_offset: half the round trip
    clock: datetime | None = None  # of the host, at the end of the script
    routes: tuple[Route, ...] = ()  # of the main table, without default routes
    resolver_file: str = "/etc/resolv.conf"  # the file of `nameservers`
    resolver_files: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)  # name servers by file, for `resolvConf` of the kubelet
    kernel_modules: Mapping[str, bool | None] = field(default_factory=dict)  # loaded, built in or loadable; None: unknown
    modules_off: tuple[str, ...] = ()  # modules that modprobe.d replaces by another command
    boot: BootSettings = field(default_factory=BootSettings)
    link_managers: LinkManagers = field(default_factory=LinkManagers)
    ipv6_disabled: tuple[str, ...] = ()  # `all` and `default`, if disable_ipv6 is 1 there
    cgroup_version: int | None = None  # of /sys/fs/cgroup; None: unknown
    cgroup_controllers: frozenset[str] | None = None  # None: unknown
    kernel_options: KernelOptions = field(default_factory=KernelOptions)
    inotify: Inotify = field(default_factory=Inotify)
    mounts: tuple[Mount, ...] = ()  # the mount points of the folders of the cluster and of their parents
    unknown: tuple[Unknown, ...] = ()

    def link(self, name: str) -> Link | None:
        """The interface with this name, or None."""
        return next((link for link in self.links if link.name == name), None)

    def link_of(self, address: Address) -> Link | None:
        """The interface with this address, or None."""
        return next((link for link in self.links if any(entry.address == address for entry in link.addresses)), None)

    @property
    def addresses(self) -> tuple[InterfaceAddress, ...]:
        """All addresses of all interfaces."""
        return tuple(entry for link in self.links for entry in link.addresses)
