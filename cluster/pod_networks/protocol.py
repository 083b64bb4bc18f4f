"""The interface of a pod network plug-in. Each kind overrides the defaults of a plug-in without features."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.families import Family, Network
from cluster.vocabulary.migration import DUAL_STACK, Action
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.spec import ClusterSpec, PodNetwork

if TYPE_CHECKING:
    # as in cluster/rules/registry.py: types of facts only
    from cluster.facts.host_facts import HostFacts
    from cluster.vocabulary.resolved_spec import ResolvedSpec


class Release(NamedTuple):
    """The release of the plug-in that the template supports."""

    major: int
    minor: int
    why: str  # why other releases do not work

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class LocalPort(NamedTuple):
    """A TCP port of the plug-in that only its own host uses."""

    port: int
    part: str  # component that listens


class Leftovers(NamedTuple):
    """The leftovers of a plug-in on a host, which `reset` and a new join remove."""

    folders: tuple[str, ...] = ()  # a folder before its parent
    processes: tuple[str, ...] = ()  # names in /proc/PID/comm (15 characters)
    nft_tables: tuple[str, ...] = ()  # FAMILY NAME
    chain_prefix: str = ""  # prefix of its iptables chains, without the hyphen
    rule_comment: str = ""  # prefix of the comments of its rules in other chains
    ipsets: str = ""  # basic regular expression of the names
    link_globs: tuple[str, ...] = ()  # globs of its links in /sys/class/net
    node_links: tuple[str, ...] = ()  # links with an address from the pod range of the node
    node_paths: tuple[str, ...] = ()  # files and folders with state of the former node
    cni_programs: tuple[str, ...] = ()  # in /opt/cni/bin: programs that query the API server when a pod is deleted


class PodNetworkRule(NamedTuple):
    """A rule of one plug-in. cluster/rules/cni.py registers it, and runs it for files with this plug-in.

    `items`: a list field (`network.pods`). The check then takes each item and its path, as in cluster.rules.registry.item_rule.
    """

    code: str
    check: Callable[..., Iterator[Violation]]
    severity: Severity = Severity.ERROR
    items: str = ""


class PodNetworkPlugin(ABC):
    """One kind of pod network. All methods are pure. kube/pod_networks renders `template` with `values` and applies the documents."""

    kind: ClassVar[CniKind]
    title: ClassVar[str]  # name as in its documentation
    installed: ClassVar[bool] = True  # sixstack installs it; otherwise nodes stay NotReady until the owner does
    ready_with_nodes: ClassVar[bool] = False  # without controllers: the plug-in runs on every node that is Ready

    # allowed settings in the file
    settings: ClassVar[frozenset[str]] = frozenset()  # fields of `cni` that it uses
    image_names: ClassVar[tuple[str, ...]] = ()  # keys of `cni.images`
    release: ClassVar[Release | None] = None  # None: any version
    rules: ClassVar[tuple[PodNetworkRule, ...]] = ()

    # documents
    template: ClassVar[str | None] = None  # in templates/; None: no template
    from_files: ClassVar[bool] = False  # the documents are files of the owner

    # features
    default_vxlan_port: ClassVar[int | None] = None  # None: no known VXLAN
    local_ports: ClassVar[tuple[LocalPort, ...]] = ()
    policy: ClassVar[bool | None] = None  # whether it enforces NetworkPolicy; None: the file can say so
    drops_vxlan_from_non_nodes: ClassVar[bool] = False  # a node drops VXLAN from hosts that are not nodes yet
    needs_one_link: ClassVar[bool] = False  # both node addresses must be on one link
    pod_links: ClassVar[tuple[str, ...]] = ("cni0", "veth*")  # globs of the links that it creates on a node
    needs_bridge_filter: ClassVar[bool] = False  # the plug-in needs the kernel module br_netfilter at its start

    # recognition
    workload: ClassVar[str] = ""  # DaemonSet that identifies the plug-in, even without the annotation of sixstack
    pools_path: ClassVar[str] = ""  # API path of its address pools, with spec.cidr and spec.blockSize

    leftovers: ClassVar[Leftovers] = Leftovers()
    source: ClassVar[str] = DUAL_STACK  # documentation page for migration help

    def images(self, spec: ClusterSpec) -> Mapping[str, str]:  # noqa: ARG002 overrides use it
        """Image references by name; empty if only the documents define them."""
        return {}

    def values(self, spec: ClusterSpec) -> dict[str, Any]:  # noqa: ARG002
        """The values of `template`."""
        return {}

    def vxlan_port(self, spec: ClusterSpec) -> int | None:
        """The effective UDP port of VXLAN; None for a plug-in without known VXLAN."""
        return self.default_vxlan_port if self.default_vxlan_port is None or spec.cni.vxlan_port is None else spec.cni.vxlan_port

    def vxlan_families(self, spec: ClusterSpec) -> tuple[Family, ...]:
        """Families whose pod packets VXLAN encapsulates, primary first."""
        return spec.families if self.default_vxlan_port is not None else ()

    def enforces_policy(self, spec: ClusterSpec) -> bool | None:
        """Whether the plug-in enforces NetworkPolicy; None: unknown."""
        return self.policy if self.policy is not None else spec.cni.network_policy

    def nat(self, spec: ClusterSpec) -> dict[Family, bool]:  # noqa: ARG002
        """Whether pod traffic that leaves the cluster gets the address of the node. A missing family is unknown."""
        return {}

    def block_sizes(self, spec: ClusterSpec) -> dict[Network, int]:  # noqa: ARG002
        """The prefix length of the blocks of nodes, by pod range; {} for a plug-in without blocks."""
        return {}

    def pod_addresses(self, spec: ClusterSpec, pods: PodNetwork) -> int | None:  # noqa: ARG002
        """How many pods of one node get an address of this range; None for a plug-in whose address management is unknown."""
        return None

    def pod_mtu(self, spec: ResolvedSpec, facts: Mapping[str, HostFacts]) -> int | None:  # noqa: ARG002
        """The pod MTU to set: from the file, or a value that corrects the plug-in's default. None: the plug-in chooses."""
        return spec.cni.mtu

    def migration(self, now: ClusterSpec, gone: Sequence[Network], *, ranges_changed: bool) -> Iterator[Action]:  # noqa: ARG002
        """Manual steps for this network when the ranges of the cluster change. `gone`: ranges that the new file does not have."""
        yield from ()
