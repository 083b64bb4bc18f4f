"""Documents of TKEStack -> a cluster file, the logins of its hosts, and what became of every field. Never raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cluster.file.reader import read_document
from cluster.rules.ssh import TRUST_ON_FIRST_USE
from cluster.vocabulary.families import Address
from cluster.vocabulary.problems import Problem, errors_in
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import Role
from tkestack.cluster import read_dns_domain, read_interface, read_name, read_settings, read_version
from tkestack.documents import Documents, Kind, Resource, Source, read_sources
from tkestack.hosts import Choices, Machine, host_document, read_machine
from tkestack.logins import Login, Logins
from tkestack.network import read_ranges
from tkestack.not_taken import tell_the_rest
from tkestack.report import Change, Report

# the codes of faults that only an import finds; docs/reference/problems.md lists them
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


@dataclass(frozen=True, slots=True)
class Imported:
    """`document` is None exactly when a document has a fault; problems of rules come with a document to mend."""

    document: dict[str, Any] | None
    logins: tuple[Login, ...]
    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]
    lines: Mapping[str, int] = field(default_factory=dict)  # path of a document's field -> line of its file


def import_documents(sources: Sequence[Source], choices: Choices, *, cni: str = "calico") -> Imported:
    """Everything at once: all faults of all documents, or a cluster file and what `sixstack check` says of it."""
    report = Report()
    documents = read_sources(sources, report)
    document, logins = _cluster_document(documents, choices, cni, report)
    for resource in documents.resources:
        tell_the_rest(resource, report)
    if errors_in(report.problems):
        return Imported(None, (), tuple(report.changes), tuple(dict.fromkeys(report.problems)), documents.lines)
    found = tuple(_at_its_origin(problem, report) for problem in read_document(document).problems)
    return Imported(document, logins, tuple(report.changes), (*report.problems, *found), documents.lines)


def _cluster_document(documents: Documents, choices: Choices, cni: str, report: Report) -> tuple[dict[str, Any], tuple[Login, ...]]:
    clusters = [resource for resource in documents.resources if resource.kind is Kind.CLUSTER]
    workers = [resource for resource in documents.resources if resource.kind is Kind.MACHINE]
    called = next((name for worker in workers if (name := worker.spec.text("clusterName"))), "")
    if not clusters:
        hint = "name the file of the Cluster, beside those of its Machines"
        report.fault("no-cluster-document", "documents", "there is no Cluster among them", hint)
    for other in clusters[1:]:
        hint = "import one cluster at a time"
        report.fault("two-cluster-documents", other.fields.path.removesuffix(": "), f"{clusters[0].fields.path}is a Cluster too", hint)
    name = read_name(clusters[0], called) if clusters else called
    machines = _machines(clusters[:1], workers, choices, report)
    _check_clusters(workers, (clusters[0].name if clusters else "") or called, report)
    _check_names(machines, choices.names, report)
    logins = Logins(name)
    if not clusters:
        return {}, ()
    spec = clusters[0].spec
    ranges = read_ranges(spec, max(1, len(machines)))
    interface = read_interface(spec)
    families = ranges.families if ranges is not None else None
    hosts = [host_document(machine, index, families, interface, logins, choices) for index, machine in enumerate(machines)]
    _tell_additions(hosts, machines, choices, cni, report)
    version, domain = read_version(spec), read_dns_domain(spec)
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


def _tell_additions(hosts: Sequence[dict[str, Any]], machines: Sequence[Machine], choices: Choices, cni: str, report: Report) -> None:
    """What the cluster file says and no document does."""
    if unnamed := [host["name"] for host, machine in zip(hosts, machines, strict=True) if machine.reach.address not in choices.names]:
        why = "documents have no host names; --name ADDRESS=NAME gives one, and `sixstack plan` says where a machine calls itself otherwise"
        report.added(f"hosts[].name: {', '.join(unnamed)}", why)
    if any("addresses" not in host for host in hosts):
        report.added("hosts[].addresses: left out", "a document has one address of a machine; those of its node are found on the host")
    if any(host["ssh"].get("host_key") == TRUST_ON_FIRST_USE for host in hosts):
        report.added("hosts[].ssh.host_key: trust-on-first-use", "--trust-on-first-use; documents have no host keys")
    report.added(f"cni.kind: {cni}", "documents have no pod network: TKEStack's users apply one by hand")


def _machines(clusters: Sequence[Resource], workers: Sequence[Resource], choices: Choices, report: Report) -> list[Machine]:
    """Control planes in the order of the Cluster, then workers in that of their documents."""
    found: list[Machine | None] = []
    for cluster in clusters:
        listed = [read_machine(fields, Role.CONTROL_PLANE, choices) for fields in cluster.spec.sections("machines")]
        if not cluster.spec.value("machines"):
            hint = "name at least the machine of the control plane"
            report.fault("missing-field", cluster.spec.at("machines"), "there are no machines", hint)
        found += listed
    for worker in workers:
        kind = worker.spec.text("type")
        if kind == "Baremetal":
            report.taken(worker.spec.at("type"), "a host that is reached by SSH")
        elif kind:
            report.fault("not-baremetal", worker.spec.at("type"), "it is not Baremetal", "take the document out")
        machine = read_machine(worker.spec, Role.WORKER, choices, worker.name)
        if machine is not None and machine.reach.address in choices.names:
            report.left(worker.metadata.at("name"), "--name gives the host another")
        elif worker.name:
            report.taken(worker.metadata.at("name"), "hosts[].name")
        found.append(machine)
    return [machine for machine in found if machine is not None]


def _check_clusters(workers: Sequence[Resource], wanted: str, report: Report) -> None:
    """Every Machine belongs to the Cluster, or to the one that the first Machine names where the Cluster has no name."""
    for worker in workers:
        written, path = worker.spec.text("clusterName"), worker.spec.at("clusterName")
        if written and written != wanted:
            hint = f"write {wanted}, or take the document out"
            report.fault("other-cluster", path, f"{quoted(written)} is another cluster than {quoted(wanted)}", hint)
        elif written:
            report.taken(path, "name")


def _check_names(machines: Sequence[Machine], names: Mapping[Address, str], report: Report) -> None:
    known = {machine.reach.address for machine in machines}
    for address in names:
        if address not in known:
            listed = ", ".join(str(each) for each in sorted(known, key=str)) or "none"
            report.fault("unknown-machine", f"--name {address}", "no machine of the documents has this address", f"they have: {listed}")


def _at_its_origin(problem: Problem, report: Report) -> Problem:
    """A problem of the cluster file, with the document's field that it comes from, and with what an import can do about it."""
    if problem.code == "host-key-missing":
        problem = replace(problem, hint=f"{problem.hint}; or import with --known-hosts FILE or --trust-on-first-use")
    inside = [ours for ours in report.origins if problem.path == ours or problem.path.startswith((f"{ours}.", f"{ours}["))]
    if not inside:
        return problem
    return replace(problem, message=f"{problem.message} (from {report.origins[max(inside, key=len)]})")
