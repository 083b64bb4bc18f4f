"""Converts TKEStack's documents into a cluster file, the logins of its hosts and a report of every field. Never raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.vocabulary.families import Address
from cluster.vocabulary.host_keys import TRUST_ON_FIRST_USE
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import Role
from importers.choices import Choices
from importers.imported import Imported, imported
from importers.logins import Login, Logins
from importers.report import Report
from importers.sources import Source
from importers.tkestack.cluster import read_dns_domain, read_interface, read_name, read_settings
from importers.tkestack.documents import Documents, Kind, Resource, read_sources
from importers.tkestack.hosts import Machine, host_document, read_machine
from importers.tkestack.network import read_ranges
from importers.tkestack.not_taken import report_unread_fields
from importers.versions import read_version

# the codes of problems that only an import reports; docs/reference/problems.md lists them
FAULTS = {
    "document-kind": "A document is neither Cluster nor Machine of platform.tkestack.io/v1, nor a list of them.",
    "no-cluster-document": "No document is a Cluster.",
    "two-cluster-documents": "More than one document is a Cluster.",
    "other-cluster": "A Machine belongs to another cluster than that of the documents.",
    "not-baremetal": "A Cluster or Machine is of another type than Baremetal.",
    "range-families": "clusterCIDR, serviceCIDR and ipv6DualStack do not have the same families, or one has two ranges of one family.",
    "range-too-small": "There is no serviceCIDR, and clusterCIDR is too small for pods and services.",
    "not-base64": "A password, key or passphrase is not the base64 of a text.",
    "not-a-private-key": "privateKey is the base64 of something else.",
    "unknown-machine": "A name was given to an address that no machine has.",
}


def import_tkestack(sources: Sequence[Source], choices: Choices) -> Imported:
    """All errors of all documents at once, or a cluster file and its problems as from `sixstack check`."""
    report = Report()
    documents = read_sources(sources, report)
    document, logins = _cluster_document(documents, choices, choices.pod_network or "calico", report)
    for resource in documents.resources:
        report_unread_fields(resource, report)
    return imported(document, logins, report, documents.lines)


def _cluster_document(documents: Documents, choices: Choices, cni: str, report: Report) -> tuple[dict[str, Any], tuple[Login, ...]]:
    clusters = [resource for resource in documents.resources if resource.kind is Kind.CLUSTER]
    workers = [resource for resource in documents.resources if resource.kind is Kind.MACHINE]
    name_in_machines = next((name for worker in workers if (name := worker.spec.text("clusterName"))), "")
    if not clusters:
        hint = "Pass the file of the Cluster too, beside the files of its Machines."
        report.fault("no-cluster-document", "documents", "no document is a Cluster", hint)
    for other in clusters[1:]:
        hint = "Import one cluster at a time."
        report.fault("two-cluster-documents", other.fields.path.removesuffix(": "), f"{clusters[0].fields.path}is also a Cluster", hint)
    name = read_name(clusters[0], name_in_machines) if clusters else name_in_machines
    machines = _machines(clusters[:1], workers, choices, report)
    _check_clusters(workers, (clusters[0].name if clusters else "") or name_in_machines, report)
    _check_names(machines, choices.names, report)
    logins = Logins(name)
    if not clusters:
        return {}, ()
    spec = clusters[0].spec
    ranges = read_ranges(spec, max(1, len(machines)))
    interface = read_interface(spec)
    families = ranges.families if ranges is not None else None
    hosts = [host_document(machine, index, families, interface, logins, choices) for index, machine in enumerate(machines)]
    _report_additions(hosts, machines, choices, cni, report)
    version = read_version(spec.text("version"), spec.at("version"), report, builds="TKEStack's")
    domain = read_dns_domain(spec)
    settings = read_settings(spec, version=version, cluster_has_own_names=bool(choices.names))
    shape = ranges.as_document() if ranges is not None else {"network": {}}
    document = {
        "name": name,
        "kubernetes_version": version,
        **{key: value for key, value in shape.items() if key != "network"},
        "hosts": hosts,
        "network": {**shape["network"], **({"dns_domain": domain} if domain else {})},
        "cni": {"kind": cni},
        **({"tkestack_labels": True} if choices.tkestack_labels else {}),
        **settings,
    }
    return document, tuple(logins.found.values())


def _report_additions(hosts: Sequence[dict[str, Any]], machines: Sequence[Machine], choices: Choices, cni: str, report: Report) -> None:
    """Report values of the cluster file that no document has."""
    if unnamed := [host["name"] for host, machine in zip(hosts, machines, strict=True) if machine.ssh.address not in choices.names]:
        why = "documents have no host names; --name ADDRESS=NAME sets one, and `sixstack plan` warns about a machine with another host name"
        report.added(f"hosts[].name: {', '.join(unnamed)}", why)
    if any("addresses" not in host for host in hosts):
        report.added(
            "hosts[].addresses: left out", "a document has one address per machine; the addresses of the node are read from the host"
        )
    if any(host["ssh"].get("host_key") == TRUST_ON_FIRST_USE for host in hosts):
        report.added("hosts[].ssh.host_key: trust-on-first-use", "--trust-on-first-use; documents have no host keys")
    report.added(f"cni.kind: {cni}", "documents have no pod network: TKEStack's users apply a pod network by hand")


def _machines(clusters: Sequence[Resource], workers: Sequence[Resource], choices: Choices, report: Report) -> list[Machine]:
    """Control planes in the order of the Cluster, then workers in the order of their documents."""
    found: list[Machine | None] = []
    for cluster in clusters:
        listed = [read_machine(fields, Role.CONTROL_PLANE, choices) for fields in cluster.spec.sections("machines")]
        if not cluster.spec.value("machines"):
            hint = "Write at least the machine of the control plane."
            report.fault("missing-field", cluster.spec.at("machines"), "there are no machines", hint)
        found += listed
    for worker in workers:
        kind = worker.spec.text("type")
        if kind == "Baremetal":
            report.taken(worker.spec.at("type"), "a host reached over SSH")
        elif kind:
            report.fault("not-baremetal", worker.spec.at("type"), "the type is not Baremetal", "Remove this document.")
        machine = read_machine(worker.spec, Role.WORKER, choices, worker.name)
        if machine is not None and machine.ssh.address in choices.names:
            report.not_taken(worker.metadata.at("name"), "--name sets another name")
        elif worker.name:
            report.taken(worker.metadata.at("name"), "hosts[].name")
        found.append(machine)
    return [machine for machine in found if machine is not None]


def _check_clusters(workers: Sequence[Resource], wanted: str, report: Report) -> None:
    """Every Machine belongs to the Cluster, or to the cluster of the first Machine if the Cluster has no name."""
    for worker in workers:
        written, path = worker.spec.text("clusterName"), worker.spec.at("clusterName")
        if written and written != wanted:
            hint = f"Write {wanted}, or remove this document."
            report.fault("other-cluster", path, f"{quoted(written)} is another cluster than {quoted(wanted)}", hint)
        elif written:
            report.taken(path, "name")


def _check_names(machines: Sequence[Machine], names: Mapping[Address, str], report: Report) -> None:
    known = {machine.ssh.address for machine in machines}
    for address in names:
        if address not in known:
            listed = ", ".join(str(each) for each in sorted(known, key=str)) or "none"
            report.fault(
                "unknown-machine",
                f"--name {address}",
                "no machine of the documents has this address",
                f"Use one of these addresses: {listed}.",
            )
