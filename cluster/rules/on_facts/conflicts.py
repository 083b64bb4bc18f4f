"""Who has the host already: another cluster, or a container runtime and kubelet that are not ours (rule 31)."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.facts.host_facts import Conflict, HostFacts
from cluster.rules.on_facts.rule import Inspected, host_rule
from cluster.rules.rule import Finding
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
def no_other_cluster(cluster: Inspected, host: Host, found: HostFacts) -> Iterator[Finding]:
    """A host carries no cluster, or this one: the owner's name and the certificate authority tell. It is never reset unasked."""
    if (held := another_cluster(cluster, host, found)) is None:
        return
    if found.owner is None:
        hint = f"take {host.name} out of the file, or remove that cluster from it first: `kubeadm reset` on the host, if nobody needs it"
    elif cluster.ours(found):
        hint = f"remove the earlier cluster first: `sixstack delete FILE --confirm {found.owner}`"
    else:
        hint = f"take {host.name} out of the file, or delete cluster {found.owner} first with its own file: `sixstack delete FILE --confirm {found.owner}`"
    yield Finding("cluster", held, hint)


_DO = {
    "package": "remove it: `apt-get purge {name}` (or `dnf remove {name}`, `snap remove {name}`), then run again",
    "unit": "stop it and remove it: `systemctl disable --now {name}`, then remove {detail}",
    "binary": "remove {detail}, or what installed it",
    "process": "stop it, and see that nothing starts it again: {detail}",
    "file": "remove {name} when nobody needs it, or take the host out of the file",
}


@host_rule("foreign-runtime")
def no_foreign_runtime(cluster: Inspected, host: Host, found: HostFacts) -> Iterator[Finding]:
    """No containerd, docker, other runtime or kubelet that this project did not put there: two of them fight over sockets and cgroups."""
    if another_cluster(cluster, host, found) is not None:
        return  # they are that cluster's
    for thing in found.conflicts:
        if thing.kind != "file":
            yield Finding("foreign", f"{_in_words(thing)} is not ours", _hint(thing))


@host_rule("leftovers")
def no_leftovers(cluster: Inspected, host: Host, found: HostFacts) -> Iterator[Finding]:
    """No files of an earlier cluster or runtime that kubeadm or the pod network would stumble over."""
    if another_cluster(cluster, host, found) is not None:
        return
    for thing in found.conflicts:
        if thing.kind == "file":
            yield Finding("leftovers", f"{thing.name} is there, and not ours", _hint(thing))


def _in_words(thing: Conflict) -> str:
    return f"{thing.kind} {thing.name}" + (f" ({thing.detail})" if thing.detail else "")


def _hint(thing: Conflict) -> str:
    return _DO[thing.kind].format(name=thing.name, detail=thing.detail or thing.name)
