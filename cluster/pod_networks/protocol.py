"""What a pod network plug-in tells the rest of the code. A kind overrides what differs from a plug-in that does nothing."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from cluster.facts.host_facts import HostFacts
from cluster.vocabulary.families import Family, Network
from cluster.vocabulary.migration import DUAL_STACK, Action
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec, CniKind


@dataclass(frozen=True, slots=True)
class Release:
    """The release of the plug-in that the template is written for."""

    major: int
    minor: int
    why: str  # what is wrong with the other releases

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True)
class LocalPort:
    """A TCP port that the plug-in listens on, and that no other host has to reach."""

    port: int
    part: str  # of the plug-in, in words


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What a plug-in leaves on a host, by which `reset` and a new join recognise and remove it."""

    folders: tuple[str, ...] = ()  # a folder before its parent
    processes: tuple[str, ...] = ()  # as /proc/PID/comm has them: 15 characters
    nft_tables: tuple[str, ...] = ()  # FAMILY NAME
    chain_prefix: str = ""  # of its iptables chains, without the hyphen
    rule_comment: str = ""  # with which it begins the comments of its rules in other chains
    ipsets: str = ""  # a basic regular expression of their names
    link_globs: tuple[str, ...] = ()  # of its links under /sys/class/net
    node_links: tuple[str, ...] = ()  # links that hold an address out of the node's pod range
    node_paths: tuple[str, ...] = ()  # files and folders that hold what was true of the former node
    cni_programs: tuple[str, ...] = ()  # under /opt/cni/bin: those that ask the API server before they let a pod go


@dataclass(frozen=True, slots=True)
class PodNetworkRule:
    """A rule of one plug-in; cluster/rules/cni.py registers it, and runs it where the file names that plug-in.

    `items`: the check gets each item of that list field (`network.pods`), and its path, as cluster.rules.registry.item_rule says.
    """

    code: str
    check: Callable[..., Iterator[Violation]]
    severity: Severity = Severity.ERROR
    items: str = ""


class PodNetworkPlugin(ABC):
    """One kind of pod network. Everything here is pure: kube/pod_networks renders `template` with `values` and applies the documents."""

    kind: ClassVar[CniKind]
    title: ClassVar[str]  # as its own documentation writes the name
    installed: ClassVar[bool] = True  # sixstack applies it; otherwise nodes stay NotReady until the owner does
    ready_with_nodes: ClassVar[bool] = False  # it has no controllers: once a new node is Ready, the plug-in runs there

    # what the file may say of it
    settings: ClassVar[frozenset[str]] = frozenset()  # fields of `cni` that it uses
    image_names: ClassVar[tuple[str, ...]] = ()  # keys of `cni.images`
    release: ClassVar[Release | None] = None  # None: any version
    rules: ClassVar[tuple[PodNetworkRule, ...]] = ()

    # its documents
    template: ClassVar[str | None] = None  # under templates/; None: nothing to render
    from_files: ClassVar[bool] = False  # its documents are the owner's files

    # what it does
    default_vxlan_port: ClassVar[int | None] = None  # None: no VXLAN that sixstack knows of
    local_ports: ClassVar[tuple[LocalPort, ...]] = ()
    policy: ClassVar[bool | None] = None  # whether it enforces NetworkPolicy; None: the file may say so
    drops_vxlan_from_non_nodes: ClassVar[bool] = False  # a node drops VXLAN from hosts that are not nodes yet
    needs_bridge_filter: ClassVar[bool] = False  # the kernel module br_netfilter, when the plug-in starts

    # how it is recognised
    workload: ClassVar[str] = ""  # the DaemonSet that shows it is installed, also where the mark of sixstack is missing
    pools_path: ClassVar[str] = ""  # API path of its address pools, with spec.cidr and spec.blockSize

    leftovers: ClassVar[Leftovers] = Leftovers()
    source: ClassVar[str] = DUAL_STACK  # the page that migration help names for its settings

    def images(self, spec: ClusterSpec) -> Mapping[str, str]:  # noqa: ARG002 a kind's own need it
        """Image references by name; none where the documents alone say so."""
        return {}

    def values(self, spec: ClusterSpec) -> dict[str, Any]:  # noqa: ARG002
        """The values of `template`."""
        return {}

    def vxlan_port(self, spec: ClusterSpec) -> int | None:
        """The UDP port of VXLAN in force; None for a plug-in without VXLAN of ours."""
        return self.default_vxlan_port if self.default_vxlan_port is None or spec.cni.vxlan_port is None else spec.cni.vxlan_port

    def vxlan_families(self, spec: ClusterSpec) -> tuple[Family, ...]:
        """Families whose pod packets travel inside VXLAN of ours, primary first."""
        return spec.families if self.default_vxlan_port is not None else ()

    def enforces_policy(self, spec: ClusterSpec) -> bool | None:
        """Whether NetworkPolicy has an effect; None: not known."""
        return self.policy if self.policy is not None else spec.cni.network_policy

    def nat(self, spec: ClusterSpec) -> dict[Family, bool]:  # noqa: ARG002
        """Whether pods leave the cluster with their node's address; a family that is not named: not known."""
        return {}

    def block_sizes(self, spec: ClusterSpec) -> dict[Network, int]:  # noqa: ARG002
        """The prefix length of the blocks that nodes take, by pod range; {} for a plug-in without blocks."""
        return {}

    def pod_mtu(self, spec: ResolvedSpec, facts: Mapping[str, HostFacts]) -> int | None:  # noqa: ARG002
        """The pods' MTU to set: that of the file, or one for a plug-in that would choose a wrong one; None leaves it to the plug-in."""
        return spec.cni.mtu

    def migration(self, now: ClusterSpec, gone: Sequence[Network], *, ranges_changed: bool) -> Iterator[Action]:  # noqa: ARG002
        """What a person does to this network by hand when the cluster's ranges change; `gone`: ranges that the new file lacks."""
        yield from ()
