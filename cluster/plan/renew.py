"""The plan of renew-certificates: certificates that expire within the limit are replaced, and the static pods that read them are restarted one after another.

A certificate that was renewed is recognised by its term, a restart by the time of the process. So a run that was killed is completed by the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cluster.facts.certificates import HostCertificates
from cluster.kubeadm.documents import api_server_names, certificate_names
from cluster.plan.copies import CopySettings
from cluster.plan.create import PUBLISH_KUBECONFIG
from cluster.plan.delete import SAVE_COPY
from cluster.plan.expiry import (
    ADMIN_CONF,
    API_SERVER,
    CONTROLLER_MANAGER,
    ETCD,
    EXPIRING_WITHIN,
    KUBE_APISERVER,
    KUBELET_CONF,
    KUBELET_SERVING,
    MANAGED,
    SCHEDULER,
    ManagedCertificate,
    Validity,
    key_of,
    validity_of,
)
from cluster.plan.graph import Plan, PlanBuilder
from cluster.plan.values import copy_values, issue_values, kubelet_renewal_values, restart_values
from cluster.vocabulary.problems import Problem, Severity
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec, Host
from cluster.vocabulary.topology import topology

RENEW_CERTIFICATES = "renew-certificates"
RESTART_ETCD = "restart-etcd"
RESTART_API_SERVER = "restart-kube-apiserver"
RESTART_CONTROLLER_MANAGER = "restart-kube-controller-manager"
RESTART_SCHEDULER = "restart-kube-scheduler"
RENEW_KUBELET_CERTIFICATE = "renew-kubelet-certificate"
SET_CERTIFICATE_NAMES = "set-certificate-names"

# in the order of their steps
RESTARTS = {
    ETCD: RESTART_ETCD,
    KUBE_APISERVER: RESTART_API_SERVER,
    CONTROLLER_MANAGER: RESTART_CONTROLLER_MANAGER,
    SCHEDULER: RESTART_SCHEDULER,
}

# docs/reference/problems.md lists them
PROBLEMS = {
    "certificates-unknown": "A control plane printed certificates that cannot be read.",
    "no-control-plane": "A control plane of the file has no certificates of kubeadm, or belongs to another cluster.",
    "address-unknown": "A control plane has no address of a family of the cluster, so the names of its certificate are unknown.",
    "authority-expired": "The authority of a certificate has expired, so it cannot sign a new certificate.",
    "authority-key-missing": "The private key of an authority is not on the control plane, so no certificate can be signed.",
    "authority-expiring": "An authority expires within the limit. Its certificates cannot be valid for longer.",
    "kubelet-certificate-expired": "The client certificate of a kubelet has expired, so the kubelet cannot replace it.",
}
WARNINGS = frozenset({"authority-expiring", "kubelet-certificate-expired"})

_SAME_END = timedelta(days=1)  # a certificate ends with its authority


@dataclass(frozen=True, slots=True)
class RenewalSettings:
    """What a run renews."""

    within: timedelta = EXPIRING_WITHIN
    everything: bool = False  # also what is fresh


@dataclass(frozen=True, slots=True)
class HostRenewal:
    """What one control plane needs: names of kubeadm's certificates, and why."""

    renewed: tuple[ManagedCertificate, ...] = ()  # as they are, with a new term
    issued: tuple[ManagedCertificate, ...] = ()  # from the file: missing, unreadable, or with other names
    reason: str | None = None

    @property
    def certificates(self) -> tuple[ManagedCertificate, ...]:
        """Every certificate that is replaced."""
        return (*self.renewed, *self.issued)


def plan_renew(
    spec: ResolvedSpec,
    found: Mapping[str, HostCertificates],
    now: datetime,
    settings: RenewalSettings,
    *,
    copies: CopySettings | None = None,
    names: Sequence[str] | None = None,
    published: str | None = None,
) -> Plan:
    """The steps from the certificates of the hosts to fresh ones.

    `names`: certSANs in the settings of the cluster; None when the API server did not answer. `published`: fingerprint of the certificate in the
    saved kubeconfig; None without one. `copies`: None replaces private keys without a copy.
    """
    plan = PlanBuilder(spec.name)
    notes = list(_notes(spec, found, now, settings))
    renewals = {host.name: renewal_of(spec, host, found[host.name], now, settings) for host in spec.control_planes}
    copied: list[str] = []
    for host in spec.control_planes:
        if renewals[host.name].certificates:
            if copies is None:
                notes.append(f"private keys of {host.name} are replaced without a copy")
            else:
                reason = f"private keys of {host.name} are replaced"
                copied += plan.add(SAVE_COPY, host.name, reason=reason, values=copy_values(spec, host, copies))
    last: tuple[str, ...] = ()  # one control plane after the other
    for host in spec.control_planes:
        last = _add_control_plane(plan, spec, host, found[host.name], renewals[host.name], needs=(*copied, *last)) or last
    for host in spec.hosts:
        if host.name in found:
            _add_kubelet(plan, spec, host, found[host.name], now, settings, last)
    wanted = certificate_names(spec)
    plan.add(SET_CERTIFICATE_NAMES, reason=_reason_for_names(wanted, names, changed=bool(last)), values={"names": list(wanted)}, needs=last)
    seed = topology(spec).seed.name
    plan.add(PUBLISH_KUBECONFIG, reason=_reason_to_publish(found[seed], renewals[seed], published), needs=last)
    return plan.build(notes)


def renewal_of(spec: ResolvedSpec, host: Host, found: HostCertificates, now: datetime, settings: RenewalSettings) -> HostRenewal:
    """What a control plane needs."""
    renewed, issued, reasons = [], [], []
    for managed in MANAGED:
        file = found.file(managed.path)
        validity = validity_of(file, now, settings.within)
        if validity is Validity.MISSING and not managed.required:
            continue
        if validity in {Validity.MISSING, Validity.UNREADABLE}:
            issued.append(managed)
            reasons.append(f"{managed.name} is {validity}")
        elif managed.path == API_SERVER and (differing := _differing_names(spec, host, found)):
            issued.append(managed)
            reasons.append(f"{managed.name} {differing}")
        elif settings.everything:
            renewed.append(managed)
        elif validity is not Validity.FRESH and not (validity is Validity.EXPIRING and _ends_with_authority(found, managed)):
            renewed.append(managed)
            reasons.append(f"{managed.name} {_stated(validity, found, managed, now)}")
    if settings.everything and renewed:
        reasons.append("all certificates are to be renewed")
    if found.unfinished_renewal:
        reasons.append("an earlier renewal did not finish")
    return HostRenewal(tuple(renewed), tuple(issued), "; ".join(reasons) or None)


def renewal_problems(
    spec: ClusterSpec, found: Mapping[str, HostCertificates], renewals: Mapping[str, HostRenewal], now: datetime, within: timedelta
) -> tuple[Problem, ...]:
    """Why certificates cannot be renewed (errors), and what a renewal does not change (warnings)."""
    problems: list[Problem] = []
    for host in spec.hosts:
        if (of_host := found.get(host.name)) is None or of_host.owner != spec.name:
            continue
        if host in spec.control_planes:
            problems += _authority_problems(host, of_host, renewals.get(host.name, HostRenewal()), now, within)
        kubelet = of_host.file(KUBELET_CONF)
        if kubelet is not None and validity_of(kubelet, now, within) is Validity.EXPIRED:
            assert kubelet.certificate is not None
            expired = f"{kubelet.certificate.valid_until:%Y-%m-%d %H:%M}"
            how = (
                "see docs/how-to/certificates.md"
                if host in spec.control_planes
                else f"on {host.name}, remove {KUBELET_CONF}, then create the cluster again: the host joins again"
            )
            problems.append(
                _problem(
                    "kubelet-certificate-expired", host, KUBELET_CONF, f"the client certificate of the kubelet expired on {expired}", how
                )
            )
    return tuple(problems)


def address_problems(spec: ResolvedSpec) -> tuple[Problem, ...]:
    """Control planes whose addresses neither the file nor the host has: they would get a certificate for 0.0.0.0 or ::."""
    return tuple(
        _problem(
            "address-unknown",
            host,
            "addresses",
            f"the addresses {', '.join(map(str, host.addresses))} are not those of the host",
            f"Write the addresses of {host.name} into the file, or repair its network",
        )
        for host in spec.control_planes
        if any(address.is_unspecified for address in host.addresses)
    )


def control_plane_problems(spec: ClusterSpec, found: Mapping[str, HostCertificates]) -> tuple[Problem, ...]:
    """Control planes whose certificates are not known."""
    problems = []
    for host in spec.control_planes:
        if (of_host := found.get(host.name)) is None:
            continue
        for unknown in of_host.unknown:
            problems.append(
                _problem("certificates-unknown", host, unknown.part, f"part {unknown.part} cannot be read: {unknown.reason}", "Report this")
            )
        if not of_host.unknown and (of_host.owner != spec.name or not of_host.files):
            owner = f"belongs to cluster {of_host.owner}" if of_host.owner not in {None, spec.name} else "has no control plane"
            problems.append(
                _problem("no-control-plane", host, "", f"{host.name} {owner}", "Name the cluster of these hosts, or create it first")
            )
    return tuple(problems)


def _authority_problems(host: Host, found: HostCertificates, renewal: HostRenewal, now: datetime, within: timedelta) -> Iterator[Problem]:
    remedy = "Replace the authority by hand: https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/"
    for path in dict.fromkeys(managed.authority for managed in MANAGED):
        names = [managed.name for managed in renewal.certificates if managed.authority == path]
        file = found.file(path)
        validity = validity_of(file, now, within)
        if validity in {Validity.EXPIRED, Validity.MISSING, Validity.UNREADABLE} and names:
            yield _problem("authority-expired", host, path, f"the authority of {', '.join(names)} is {validity}", remedy)
        elif validity in {Validity.EXPIRED, Validity.EXPIRING}:
            assert file is not None
            assert file.certificate is not None
            yield _problem(
                "authority-expiring", host, path, f"the authority is valid until {file.certificate.valid_until:%Y-%m-%d %H:%M}", remedy
            )
        key = key_of(path)
        if names and key not in found.authority_keys:
            hint = f"Put {key} on {host.name} for the renewal, or renew the certificates where the key is"
            yield _problem("authority-key-missing", host, key, f"the private key that signs {', '.join(names)} does not exist", hint)


def _problem(code: str, host: Host, at: str, message: str, hint: str) -> Problem:
    severity = Severity.WARNING if code in WARNINGS else Severity.ERROR
    return Problem(code, f"hosts/{host.name}{f'/{at}' if at and not at.startswith('/') else at}", message, hint, severity)


def _add_control_plane(
    plan: PlanBuilder, spec: ResolvedSpec, host: Host, found: HostCertificates, renewal: HostRenewal, needs: Sequence[str]
) -> tuple[str, ...]:
    """The last step on the host; () without steps."""
    values = issue_values(spec, host, renewal.renewed, renewal.issued)
    last = plan.add(RENEW_CERTIFICATES, host.name, reason=renewal.reason, values=values, needs=needs)
    for component, kind in RESTARTS.items():
        read = [managed for managed in MANAGED if component in managed.components]
        replaced = [managed.name for managed in read if managed in renewal.certificates]
        reason = f"it reads {', '.join(replaced)} at its start" if replaced else _outdated(component, found, read)
        if reason is None and found.unfinished_renewal:
            reason = "an earlier renewal may have replaced what it reads"
        values = restart_values(spec, host, component, read)
        last = plan.add(kind, host.name, reason=reason, values=values, needs=last or needs) or last
    return last


def _add_kubelet(
    plan: PlanBuilder, spec: ClusterSpec, host: Host, found: HostCertificates, now: datetime, settings: RenewalSettings, last: Sequence[str]
) -> None:
    """The kubelet's own serving certificate, which the kubelet makes at its start. On a control plane, after the restarts."""
    file, reason = found.file(KUBELET_SERVING), None
    if found.owner != spec.name:
        return
    if found.unfinished_kubelet:
        reason = "an earlier renewal did not finish"
    elif file is not None:
        validity = validity_of(file, now, settings.within)
        if validity is not Validity.FRESH:
            reason = f"the certificate of the kubelet's server is {validity}"
        elif settings.everything:
            reason = "all certificates are to be renewed"
    needs = last if host in spec.control_planes else ()
    plan.add(RENEW_KUBELET_CERTIFICATE, host.name, reason=reason, values=kubelet_renewal_values(spec, host), needs=needs)


def _notes(spec: ClusterSpec, found: Mapping[str, HostCertificates], now: datetime, settings: RenewalSettings) -> Iterator[str]:
    for host in spec.hosts:
        if host.name not in found:
            yield f"{host.name} was not reached: its certificates are unknown"
        elif found[host.name].owner != spec.name:
            yield f"{host.name} is not part of cluster {spec.name}"
        elif host in spec.control_planes:
            ending = [
                managed.name
                for managed in MANAGED
                if validity_of(found[host.name].file(managed.path), now, settings.within) is Validity.EXPIRING
                and _ends_with_authority(found[host.name], managed)
            ]
            if ending and not settings.everything:
                yield f"{', '.join(ending)} of {host.name} end with their authority: a renewal cannot make them valid for longer"


def _differing_names(spec: ResolvedSpec, host: Host, found: HostCertificates) -> str:
    """What the names of the API server's certificate lack, and have beside those of the file; "" without a difference."""
    file = found.file(API_SERVER)
    if file is None or file.certificate is None:
        return ""
    wanted, current = api_server_names(spec, host), file.certificate.names
    lacking = [name for name in wanted if name not in current]
    surplus = [name for name in current if name not in wanted]
    parts = [f"lacks {', '.join(lacking)}"] if lacking else []
    parts += [f"has {', '.join(surplus)}, which the file does not have"] if surplus else []
    return " and ".join(parts)


def _ends_with_authority(found: HostCertificates, managed: ManagedCertificate) -> bool:
    """Whether a new certificate could not be valid for longer: kubeadm lets none outlive its authority."""
    file, authority = found.file(managed.path), found.file(managed.authority)
    if file is None or file.certificate is None or authority is None or authority.certificate is None:
        return False
    return authority.certificate.valid_until - file.certificate.valid_until < _SAME_END


def _stated(validity: Validity, found: HostCertificates, managed: ManagedCertificate, now: datetime) -> str:
    file = found.file(managed.path)
    assert file is not None
    assert file.certificate is not None
    until = file.certificate.valid_until
    if validity is Validity.EXPIRED:
        return f"expired on {until:%Y-%m-%d}"
    return f"is {validity}" if validity is Validity.NOT_YET_VALID else f"expires in {(until - now) // timedelta(days=1)} days"


def _outdated(component: str, found: HostCertificates, read: Sequence[ManagedCertificate]) -> str | None:
    """The component was started before a certificate that it reads was replaced."""
    started = found.started.get(component)
    files = [file for managed in read if (file := found.file(managed.path)) is not None]
    newer = [file.path for file in files if started is not None and file.changed is not None and file.changed > started]
    return f"it was started before {', '.join(newer)} was replaced" if newer else None


def _reason_for_names(wanted: Sequence[str], names: Sequence[str] | None, *, changed: bool) -> str | None:
    if names is None:
        return "the names in the settings of the cluster are unknown, because the API server did not answer" if changed else None
    return None if set(names) == set(wanted) else "the settings of the cluster have other names of the API server than the file"


def _reason_to_publish(seed: HostCertificates, renewal: HostRenewal, published: str | None) -> str | None:
    if any(managed.path == ADMIN_CONF for managed in renewal.certificates) or seed.unfinished_renewal:
        return "the saved kubeconfig has the previous certificate"
    if published is None:
        return "no kubeconfig of this cluster is saved yet"
    admin = seed.file(ADMIN_CONF)
    current = admin.certificate.fingerprint if admin is not None and admin.certificate is not None else published
    return None if current == published else "the saved kubeconfig has another certificate than the control plane"
