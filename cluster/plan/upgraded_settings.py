"""The settings of kubeadm's ConfigMaps for a new version: those of the running cluster, with those of the file.

kubeadm takes the settings of an upgraded component from these ConfigMaps. A component that gets an argument that its new version no longer has
does not start, so such arguments are left out. Everything else that the owner has put there stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cluster.facts.cluster_state import ClusterState
from cluster.kubeadm.documents import cluster_configuration, kube_proxy_configuration, kubelet_configuration
from cluster.plan.unapplied import COMPONENTS, is_same
from cluster.rules.component_arguments import removed_arguments
from cluster.vocabulary.releases import Minor, minor_of
from cluster.vocabulary.resolved_spec import ResolvedSpec

Document = dict[str, Any]


def upgraded_settings(spec: ResolvedSpec, state: ClusterState) -> dict[str, Document]:
    """The documents that must change, by name: cluster, kubelet, kube_proxy. An unknown document is not changed."""
    wanted = {
        "cluster": _cluster(spec, state.kubeadm),
        "kubelet": _overlaid(state.kubelet, kubelet_configuration(spec)),
        "kube_proxy": _overlaid(state.kube_proxy, kube_proxy_configuration(spec)),
    }
    running = _running(state)
    return {name: document for name, document in wanted.items() if running[name] and document != running[name]}


def _running(state: ClusterState) -> dict[str, Document]:
    return {"cluster": state.kubeadm, "kubelet": state.kubelet, "kube_proxy": state.kube_proxy}


def _cluster(spec: ResolvedSpec, running: Document) -> Document:
    """The ClusterConfiguration with other arguments and volumes of the components. kubeadm sets the version itself."""
    wanted, changed, minor = cluster_configuration(spec), dict(running), minor_of(spec.version)
    for path, place in COMPONENTS.items():
        component = path.rpartition(".")[2]
        old, new = _at(running, place), _at(wanted, place)
        section = dict(old)
        for key, entries in (("extraArgs", _arguments(component, old, new, minor)), ("extraVolumes", _volumes(old, new))):
            if entries or key in section:
                section[key] = entries
        if section != old:
            _put(changed, place, section)
    return changed


def _arguments(component: str, old: Document, new: Document, minor: Minor) -> list[Document]:
    """The running arguments but those that the new version no longer has, and those of the file. An argument may be there twice."""
    set_by_file = {entry["name"]: entry for entry in new.get("extraArgs") or ()}
    gone = removed_arguments(component, minor)
    running = [entry for entry in old.get("extraArgs") or () if entry["name"] not in gone]
    if all(entry in running for entry in set_by_file.values()):
        return running  # in their own order
    return [*(entry for entry in running if entry["name"] not in set_by_file), *set_by_file.values()]


def _volumes(old: Document, new: Document) -> list[Document]:
    """kubeadm leaves out a false readOnly and an empty type: equal volumes stay as they are."""
    running: list[Document] = list(old.get("extraVolumes") or ())
    set_by_file = {entry["name"]: entry for entry in new.get("extraVolumes") or ()}
    same = {entry["name"] for entry in running if set_by_file.get(entry["name"]) == {"readOnly": False, "pathType": "", **entry}}
    return [
        *(entry for entry in running if entry["name"] in same or entry["name"] not in set_by_file),
        *(entry for name, entry in set_by_file.items() if name not in same),
    ]


def _overlaid(running: Document, wanted: Mapping[str, Any]) -> Document:
    """kubeadm adds defaults and writes durations in its own way: equal values stay as they are."""
    return {**running, **{key: value for key, value in wanted.items() if not is_same(value, running.get(key))}}


def changed_names(spec: ResolvedSpec, state: ClusterState) -> Iterator[str]:
    """What the upgrade changes in the settings of the components, for people."""
    for name, document in upgraded_settings(spec, state).items():
        running = _running(state)[name]
        for key in sorted(document.keys() | running.keys()):
            if document.get(key) != running.get(key):
                yield f"{name}.{key}"


def _at(document: Mapping[str, Any], place: tuple[str, ...]) -> Document:
    found: Any = document
    for key in place:
        found = found.get(key) or {}
    return dict(found)


def _put(document: Document, place: tuple[str, ...], section: Document) -> None:
    """Replace a section; the mappings above it are copied, as others share them."""
    *parents, last = place
    for key in parents:
        document[key] = dict(document.get(key) or {})
        document = document[key]
    document[last] = section
