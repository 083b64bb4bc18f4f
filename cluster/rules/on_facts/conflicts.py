"""Who has the host already: another cluster, or a container runtime and kubelet that are not ours."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.facts.host_facts import Conflict, HostFacts
from cluster.operating_systems.detection import operating_system
from cluster.rules.inspected import Inspected
from cluster.rules.registry import host_rule
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.spec import Host, Role


def another_cluster(cluster: Inspected, host: Host, found: HostFacts) -> str | None:
    """What of another cluster lies on the host, in words; None when there is none."""
    state = found.kubernetes
    if found.owner is not None and not cluster.ours(found):
        return f"it was prepared for cluster {found.owner}"
    if not state.present:
        return None
    held = ", ".join(
        part
        for part, there in (
            ("/etc/kubernetes/admin.conf", state.admin_config),
            ("/etc/kubernetes/kubelet.conf", state.kubelet_config),
            ("/etc/kubernetes/manifests/kube-apiserver.yaml", state.api_manifest),
            ("/etc/kubernetes/pki/ca.crt", state.ca_hash is not None),
        )
        if there
    )
    where = f" of {state.endpoint}" if state.endpoint else ""
    if found.owner is None:
        return f"it carries a cluster{where} that is not ours ({held})"
    if host.role is Role.CONTROL_PLANE or cluster.control_plane is None:
        return None
    # the same name is not yet the same cluster: the certificate authority is what tells them apart
    expected = cluster.control_plane.kubernetes.ca_hash
    if state.ca_hash is not None and state.ca_hash != expected:
        of_control_plane = f"{cluster.control_plane.host} has {expected}" if expected else f"{cluster.control_plane.host} has none"
        return f"it carries an earlier cluster {found.owner}{where}, with CA {state.ca_hash}; {of_control_plane}"
    return None


@host_rule("host-has-another-cluster")
def no_other_cluster(cluster: Inspected, host: Host, found: HostFacts) -> Iterator[Violation]:
    """A host carries another cluster, as the owner's name and the certificate authority tell. It is never reset unasked."""
    if (held := another_cluster(cluster, host, found)) is None:
        return
    if found.owner is None:
        hint = f"take {host.name} out of the file, or remove that cluster from it first: `kubeadm reset` on the host, if nobody needs it"
    elif cluster.ours(found):
        hint = f"remove the earlier cluster first: `sixstack delete FILE --confirm {found.owner}`"
    else:
        hint = f"take {host.name} out of the file, or delete cluster {found.owner} first with its own file: `sixstack delete FILE --confirm {found.owner}`"
    yield Violation("cluster", held, hint)


_DO = {
    "unit": "stop it and remove it: `systemctl disable --now {name}`, then remove {detail}",
    "binary": "remove {detail}, or what installed it",
    "process": "stop it, and see that nothing starts it again: {detail}",
    "file": "remove {name} when nobody needs it, or take the host out of the file",
}


@host_rule("foreign-runtime")
def no_foreign_runtime(cluster: Inspected, host: Host, found: HostFacts) -> Iterator[Violation]:
    """A containerd, docker, other runtime or kubelet is there that sixstack did not install: two of them fight over sockets and cgroups."""
    if another_cluster(cluster, host, found) is not None:
        return  # they are that cluster's
    for thing in found.conflicts:
        if thing.kind != "file":
            yield Violation("foreign", f"{_in_words(thing)} is not ours", _hint(thing, found))


@host_rule("leftovers")
def no_leftovers(cluster: Inspected, host: Host, found: HostFacts) -> Iterator[Violation]:
    """Files of an earlier cluster or runtime are there that kubeadm or the pod network would stumble over."""
    if another_cluster(cluster, host, found) is not None:
        return
    for thing in found.conflicts:
        if thing.kind == "file":
            yield Violation("leftovers", f"{thing.name} is there, and not ours", _hint(thing, found))


def _in_words(thing: Conflict) -> str:
    return f"{thing.kind} {thing.name}" + (f" ({thing.detail})" if thing.detail else "")


def _hint(thing: Conflict, found: HostFacts) -> str:
    if thing.kind == "package":
        # `detail` begins with the kind of package
        snap = thing.detail.startswith("snap ")
        return f"{f'remove it: `snap remove {thing.name}`' if snap else operating_system(found).remove_hint(thing.name)}, then run again"
    return _DO[thing.kind].format(name=thing.name, detail=thing.detail or thing.name)
