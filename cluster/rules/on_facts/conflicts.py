"""Hosts in use: by another cluster, or by a container runtime or kubelet that sixstack did not install."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.facts.host_facts import Conflict, HostFacts
from cluster.operating_systems.detection import operating_system
from cluster.rules.inspected import Inspected
from cluster.rules.registry import host_rule
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.spec import Host, Role


def another_cluster(cluster: Inspected, host: Host, facts: HostFacts) -> str | None:
    """Description of another cluster on the host; None when there is none."""
    state = facts.kubernetes
    if facts.owner is not None and not cluster.owns(facts):
        return f"the host belongs to cluster {facts.owner}"
    if not state.present:
        return None
    files = ", ".join(
        part
        for part, present in (
            ("/etc/kubernetes/admin.conf", state.admin_config),
            ("/etc/kubernetes/kubelet.conf", state.kubelet_config),
            ("/etc/kubernetes/manifests/kube-apiserver.yaml", state.api_manifest),
            ("/etc/kubernetes/pki/ca.crt", state.ca_hash is not None),
        )
        if present
    )
    where = f" of {state.endpoint}" if state.endpoint else ""
    if facts.owner is None:
        return f"the host is part of another cluster{where} ({files})"
    if host.role is Role.CONTROL_PLANE or cluster.control_plane is None:
        return None
    # clusters with the same name differ by their certificate authority
    expected = cluster.control_plane.kubernetes.ca_hash
    if state.ca_hash is not None and state.ca_hash != expected:
        of_control_plane = f"{cluster.control_plane.host} has {expected}" if expected else f"{cluster.control_plane.host} has no CA"
        return f"the host is part of an earlier cluster {facts.owner}{where} with CA {state.ca_hash}; {of_control_plane}"
    return None


@host_rule("host-has-another-cluster")
def no_other_cluster(cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """A host belongs to another cluster, according to its owner file or its certificate authority. sixstack never resets such a host."""
    if (description := another_cluster(cluster, host, facts)) is None:
        return
    if facts.owner is None:
        hint = f"remove {host.name} from the file, or run `kubeadm reset` on the host if nobody needs that cluster"
    elif cluster.owns(facts):
        hint = f"delete the earlier cluster first: `sixstack delete FILE --confirm {facts.owner}`"
    else:
        hint = f"remove {host.name} from the file, or delete cluster {facts.owner} first with its own file: `sixstack delete FILE --confirm {facts.owner}`"
    yield Violation("cluster", description, hint)


_HINTS = {
    "unit": "stop the unit with `systemctl disable --now {name}`, remove {detail}, and run `systemctl daemon-reload`",
    "binary": "remove {detail}, or the package that installed it",
    "process": "stop the process and prevent its restart: {detail}",
    "file": "remove {name} if nobody needs it, or remove the host from the file",
}


@host_rule("foreign-runtime")
def no_foreign_runtime(cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The host has a containerd, docker, other runtime or kubelet that sixstack did not install. Two runtimes conflict over sockets and cgroups."""
    if another_cluster(cluster, host, facts) is not None:
        return  # they belong to that cluster
    for conflict in facts.conflicts:
        if conflict.kind != "file":
            yield Violation("foreign", f"sixstack did not install {_in_words(conflict)}", _hint(conflict, facts))


@host_rule("leftovers")
def no_leftovers(cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The host has files of an earlier cluster or runtime that make kubeadm or the pod network fail."""
    if another_cluster(cluster, host, facts) is not None:
        return
    for conflict in facts.conflicts:
        if conflict.kind == "file":
            yield Violation("leftovers", f"{conflict.name} exists, but sixstack did not create it", _hint(conflict, facts))


def _in_words(conflict: Conflict) -> str:
    return f"{conflict.kind} {conflict.name}" + (f" ({conflict.detail})" if conflict.detail else "")


def _hint(conflict: Conflict, facts: HostFacts) -> str:
    if conflict.kind == "package":
        # `detail` begins with the kind of package
        snap = conflict.detail.startswith("snap ")
        return f"{f'remove the package with `snap remove {conflict.name}`' if snap else operating_system(facts).remove_hint(conflict.name)}, then run again"
    return _HINTS[conflict.kind].format(name=conflict.name, detail=conflict.detail or conflict.name)
