"""Values of hosts and nodes that differ from the spec and that create-cluster sets again.

The reasons of the plan (cluster/plan/reasons.py) and the differences of inspect-cluster (cluster/drift/) both come from these comparisons.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cluster.facts.cluster_state import NodeState
from cluster.facts.host_facts import HostFacts
from cluster.kubeadm.kernel_settings import SYSCTL_FILE
from cluster.plan.values import HostFiles, hosts_entries

NOTHING = "nothing"  # the actual value of what does not exist


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One value of a host or a node."""

    name: str  # a path below the host or node, such as labels/rack
    expected: str
    actual: str


def host_mismatches(values: Mapping[str, Any], wanted: HostFiles, facts: HostFacts) -> tuple[Mismatch, ...]:
    """What prepare-host sets again on a prepared host. `values` as of prepare_values(). Unknown facts are not compared."""
    return (*_artifacts(wanted, facts), *_written_files(values, facts), *_kernel(values, facts), *_units(facts))


def label_mismatches(values: Mapping[str, Any], node: NodeState, endpoint: str | None) -> tuple[Mismatch, ...]:
    """What label-node sets again. `values` as of label_values(); `endpoint`: the SSH endpoint that the cluster remembers.

    Labels and taints from other sources are not compared.
    """
    return (*_node_mismatches(values, node), *_other_mismatches(values, endpoint))


def _artifacts(wanted: HostFiles, facts: HostFacts) -> Iterator[Mismatch]:
    for digest in sorted(wanted.files - facts.bundle_files, key=lambda digest: wanted.targets.get(digest, digest)):
        yield Mismatch(f"files{wanted.targets.get(digest, f'/{digest}')}", "the file of the bundle", "missing or changed")
    for image in sorted(wanted.images - facts.images):
        yield Mismatch(f"images/{image}", "the image of the bundle", NOTHING)


def _written_files(values: Mapping[str, Any], facts: HostFacts) -> Iterator[Mismatch]:
    for path in facts.changed_files:
        yield Mismatch(f"files{path}", "the content that prepare-host wrote", "missing or changed")
    entries = hosts_entries(values)
    if facts.prepared is not None and facts.hosts_entries != entries:
        yield Mismatch("files/etc/hosts", ", ".join(entries), ", ".join(facts.hosts_entries) or NOTHING)


def _kernel(values: Mapping[str, Any], facts: HostFacts) -> Iterator[Mismatch]:
    for name, value in values["sysctls"].items():
        if (actual := facts.kernel_settings.get(name, value)) != value:
            yield Mismatch(f"sysctls/{name}", value, actual)
    for key, value in _accept_ra_at_boot(facts):
        link = facts.link(key.split("/")[3])
        if link is not None and link.accept_ra is not None and str(link.accept_ra) != value:
            yield Mismatch(f"sysctls/{key.replace('/', '.')}", value, str(link.accept_ra))
    if values["swap_off"] and facts.swap:
        yield Mismatch("swap", "disabled", ", ".join(facts.swap))


def _accept_ra_at_boot(facts: HostFacts) -> Iterator[tuple[str, str]]:
    """The settings of links that prepare-host chose on the host."""
    for line in (line for file in facts.boot.files if file.path == SYSCTL_FILE for line in file.lines):
        if line.key.startswith("net/ipv6/conf/") and line.key.endswith("/accept_ra") and line.value is not None:
            yield line.key, line.value


def _units(facts: HostFacts) -> Iterator[Mismatch]:
    for name, unit in sorted(facts.units.items()):
        if not unit.enabled:
            yield Mismatch(f"units/{name}", "enabled", "disabled")
    if (containerd := facts.units.get("containerd.service")) is not None and not containerd.active:
        yield Mismatch("units/containerd.service", "active", "stopped")


def _node_mismatches(values: Mapping[str, Any], node: NodeState) -> Iterator[Mismatch]:
    labels: Mapping[str, str] = values["labels"]
    for key, value in sorted(labels.items()):
        if node.labels.get(key) != value:
            yield Mismatch(f"labels/{key}", value, node.labels.get(key, NOTHING))
    for key in sorted(node.managed_labels):
        if key in node.labels and key not in labels:
            yield Mismatch(f"labels/{key}", NOTHING, node.labels[key])
    held = {f"{taint.key}:{taint.effect.value}": taint.value for taint in node.taints}
    wanted = {f"{taint['key']}:{taint['effect']}": str(taint["value"]) for taint in values["taints"]}
    for name, value in sorted(wanted.items()):
        if held.get(name) != value:
            yield Mismatch(f"taints/{name}", value or "present", held.get(name, NOTHING))
    for name in sorted(node.managed_taints):
        if name not in wanted:
            yield Mismatch(f"taints/{name}", NOTHING, held.get(name) or ("present" if name in held else "noted as set by sixstack"))


def _other_mismatches(values: Mapping[str, Any], endpoint: str | None) -> Iterator[Mismatch]:
    if values["uncordon"]:
        yield Mismatch("schedulable", "schedulable", "cordoned by a drain that was interrupted")
    if endpoint != values["endpoint"]:
        yield Mismatch("remembered-endpoint", values["endpoint"], endpoint or NOTHING)


def names_of(mismatches: Iterable[Mismatch]) -> str:
    """The names, for a sentence."""
    return ", ".join(mismatch.name for mismatch in mismatches)
