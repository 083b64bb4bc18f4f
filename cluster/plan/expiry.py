"""Which certificates of a cluster expire soon, and what renews each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from cluster.facts.certificates import Certificate, CertificateFile, HostCertificates
from cluster.vocabulary.markdown import escape, table
from cluster.vocabulary.spec import ClusterSpec, Host

PKI = "/etc/kubernetes/pki"
AUTHORITY = f"{PKI}/ca.crt"
ETCD_AUTHORITY = f"{PKI}/etcd/ca.crt"
FRONT_PROXY_AUTHORITY = f"{PKI}/front-proxy-ca.crt"
ADMIN_CONF = "/etc/kubernetes/admin.conf"
KUBELET_CONF = "/etc/kubernetes/kubelet.conf"
API_SERVER = f"{PKI}/apiserver.crt"
KUBELET_SERVING = "/var/lib/kubelet/pki/kubelet.crt"  # made by the kubelet, which signs it itself
ROTATED_SERVING = "/var/lib/kubelet/pki/kubelet-server-current.pem"  # signed by the cluster, with serverTLSBootstrap

# The kubelet replaces these when 70 to 90 % of their term have passed (client-go, util/certificate). Their term may be shorter than the limit.
ROTATED = (KUBELET_CONF, ROTATED_SERVING)
ROTATION_OVERDUE = 0.1  # of the term is left

# static pods of a control plane
ETCD, KUBE_APISERVER, CONTROLLER_MANAGER, SCHEDULER = "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"

EXPIRING_WITHIN = timedelta(days=30)


def key_of(certificate: str) -> str:
    """The path of the private key of a certificate, by kubeadm's names."""
    return certificate.removesuffix(".crt") + ".key"


@dataclass(frozen=True, slots=True)
class ManagedCertificate:
    """A certificate that kubeadm issues on a control plane."""

    name: str  # of `kubeadm certs renew NAME`
    path: str
    phase: str  # of `kubeadm init phase PHASE`, which replaces it
    authority: str = AUTHORITY
    components: tuple[str, ...] = ()  # static pods that read the file at their start
    required: bool = True  # a control plane without it does not work

    @property
    def files(self) -> tuple[str, ...]:
        """The certificate and its private key; a kubeconfig has both."""
        return (self.path, key_of(self.path)) if self.path.endswith(".crt") else (self.path,)


# https://kubernetes.io/docs/setup/best-practices/certificates/
MANAGED = (
    ManagedCertificate("apiserver", API_SERVER, "certs apiserver", components=(KUBE_APISERVER,)),
    ManagedCertificate(
        "apiserver-kubelet-client", f"{PKI}/apiserver-kubelet-client.crt", "certs apiserver-kubelet-client", components=(KUBE_APISERVER,)
    ),
    ManagedCertificate(
        "apiserver-etcd-client", f"{PKI}/apiserver-etcd-client.crt", "certs apiserver-etcd-client", ETCD_AUTHORITY, (KUBE_APISERVER,)
    ),
    ManagedCertificate(
        "front-proxy-client", f"{PKI}/front-proxy-client.crt", "certs front-proxy-client", FRONT_PROXY_AUTHORITY, (KUBE_APISERVER,)
    ),
    ManagedCertificate("etcd-server", f"{PKI}/etcd/server.crt", "certs etcd-server", ETCD_AUTHORITY, (ETCD,)),
    ManagedCertificate("etcd-peer", f"{PKI}/etcd/peer.crt", "certs etcd-peer", ETCD_AUTHORITY, (ETCD,)),
    ManagedCertificate("etcd-healthcheck-client", f"{PKI}/etcd/healthcheck-client.crt", "certs etcd-healthcheck-client", ETCD_AUTHORITY),
    ManagedCertificate("admin.conf", ADMIN_CONF, "kubeconfig admin"),
    # an administrator may keep it in a safe place
    ManagedCertificate("super-admin.conf", "/etc/kubernetes/super-admin.conf", "kubeconfig super-admin", required=False),
    ManagedCertificate(
        "controller-manager.conf",
        "/etc/kubernetes/controller-manager.conf",
        "kubeconfig controller-manager",
        components=(CONTROLLER_MANAGER,),
    ),
    ManagedCertificate("scheduler.conf", "/etc/kubernetes/scheduler.conf", "kubeconfig scheduler", components=(SCHEDULER,)),
)
BY_PATH = {managed.path: managed for managed in MANAGED}

BY_RENEWAL = "sixstack renew"
BY_KUBELET = "the kubelet, by itself"
BY_HAND = "by hand: https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/"
BY_JOIN = "a new join: see docs/how-to/certificates.md"
BY_OWNER = "its owner: sixstack did not issue it"


class Validity(StrEnum):
    """The state of one certificate at one moment."""

    FRESH = "fresh"
    EXPIRING = "expiring"  # within the limit
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    MISSING = "missing"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class CheckedCertificate:
    """One row of the check."""

    host: str
    path: str
    validity: Validity
    renewed_by: str
    certificate: Certificate | None = None
    days_left: int | None = None  # whole days; negative when expired
    fault: str = ""

    @property
    def needs_attention(self) -> bool:
        """Not fresh."""
        return self.validity is not Validity.FRESH

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        found = self.certificate
        return {
            "host": self.host,
            "path": self.path,
            "state": self.validity.value,
            "days_left": self.days_left,
            "valid_from": found.valid_from.isoformat() if found else None,
            "valid_until": found.valid_until.isoformat() if found else None,
            "subject": found.subject if found else None,
            "issuer": found.issuer if found else None,
            "names": list(found.names) if found else [],
            "authority": found.authority if found else None,
            "renewed_by": self.renewed_by,
            "fault": self.fault,
        }

    def as_row(self) -> dict[str, str]:
        """The columns of a table for people."""
        found = self.certificate
        return {
            "host": self.host,
            "certificate": self.path,
            "subject": found.subject if found else self.fault,
            "expires": f"{found.valid_until:%Y-%m-%d %H:%M}" if found else "-",
            "days left": "-" if self.days_left is None else str(self.days_left),
            "state": self.validity.value,
            "renewed by": self.renewed_by,
        }


@dataclass(frozen=True, slots=True)
class CertificateCheck:
    """All certificates of a cluster, the next to expire first."""

    cluster: str
    within: timedelta
    rows: tuple[CheckedCertificate, ...]

    @property
    def due(self) -> tuple[CheckedCertificate, ...]:
        """Those that expire within the limit, have expired, or cannot be used."""
        return tuple(row for row in self.rows if row.needs_attention)

    @property
    def expired(self) -> tuple[CheckedCertificate, ...]:
        """Those that cannot be used now."""
        return tuple(row for row in self.due if row.validity is not Validity.EXPIRING)

    @property
    def failed(self) -> bool:
        """A certificate cannot be used now, or there is none: a scheduled check of a cluster that is gone must not pass every night."""
        return bool(self.expired) or not self.rows

    @property
    def next_expiry(self) -> datetime | None:
        """When the next certificate expires, or has expired."""
        return min((row.certificate.valid_until for row in self.rows if row.certificate), default=None)

    @property
    def verdict(self) -> str:
        """One sentence."""
        count = len(self.rows)
        if not self.rows:
            return "no certificate was found"
        if not self.due:
            return f"all {count} certificates are fresh; the next one expires on {self.next_expiry:%Y-%m-%d}"
        first = self.due[0]
        when = f" on {first.certificate.valid_until:%Y-%m-%d}" if first.certificate else ""
        return f"{len(self.due)} of {count} certificates need attention; first {first.path} on {first.host}: {first.validity}{when}"

    def as_dict(self) -> dict[str, Any]:
        """What `sixstack certificates --output json` prints."""
        return {
            "cluster": self.cluster,
            "within_days": self.within.days,
            "next_expiry": self.next_expiry.isoformat() if self.next_expiry else None,
            "certificates": [row.as_dict() for row in self.rows],
        }

    def page(self, uninspected: Iterable[str] = ()) -> str:
        """The check as Markdown."""
        parts = [f"# Certificates of cluster {self.cluster}", escape(f"Result: {self.verdict}.")]
        parts += [f"- {escape(f'not inspected: {line}')}" for line in uninspected]
        if self.rows:
            rows = [row.as_row() for row in self.rows]
            parts.append(table(list(rows[0]), ([escape(cell) for cell in row.values()] for row in rows)))
        return "\n\n".join(parts)


def check_certificates(
    spec: ClusterSpec, found: Mapping[str, HostCertificates], now: datetime, within: timedelta = EXPIRING_WITHIN
) -> CertificateCheck:
    """Every certificate of the cluster's hosts; a host of another cluster has none of this one."""
    rows = [
        row
        for host in spec.hosts
        if (of_host := found.get(host.name)) and of_host.owner == spec.name
        for row in _rows(host, of_host, now, within)
    ]
    # without a certificate, and expired, comes first
    rows.sort(key=lambda row: row.certificate.valid_until.timestamp() if row.certificate else float("-inf"))
    return CertificateCheck(spec.name, within, tuple(rows))


def validity_of(file: CertificateFile | None, now: datetime, within: timedelta) -> Validity:
    """The state of the certificate in a file."""
    if file is None:
        return Validity.MISSING
    if (found := file.certificate) is None:
        return Validity.UNREADABLE
    if found.valid_until <= now:
        return Validity.EXPIRED
    if found.valid_from > now:
        return Validity.NOT_YET_VALID
    if file.path in ROTATED:
        within = min(within, (found.valid_until - found.valid_from) * ROTATION_OVERDUE)
    return Validity.EXPIRING if found.valid_until - now <= within else Validity.FRESH


def is_control_plane(found: HostCertificates) -> bool:
    """Whether kubeadm has made a control plane on the host."""
    return found.file(ADMIN_CONF) is not None or found.file(API_SERVER) is not None or key_of(AUTHORITY) in found.authority_keys


def missing(found: HostCertificates) -> tuple[ManagedCertificate, ...]:
    """Required certificates that a control plane does not have."""
    if not is_control_plane(found):
        return ()
    return tuple(managed for managed in MANAGED if managed.required and found.file(managed.path) is None)


def _rows(host: Host, found: HostCertificates, now: datetime, within: timedelta) -> Iterator[CheckedCertificate]:
    for managed in missing(found):
        yield CheckedCertificate(host.name, managed.path, Validity.MISSING, BY_RENEWAL, fault="the file does not exist")
    for file in found.files:
        validity, certificate = validity_of(file, now, within), file.certificate
        yield CheckedCertificate(
            host.name,
            file.path,
            validity,
            _renewed_by(file, validity),
            certificate,
            (certificate.valid_until - now) // timedelta(days=1) if certificate else None,
            file.fault,
        )


def _renewed_by(file: CertificateFile, validity: Validity) -> str:
    if file.path in BY_PATH or file.path == KUBELET_SERVING:
        return BY_RENEWAL
    if file.path == KUBELET_CONF:
        return BY_KUBELET if validity in {Validity.FRESH, Validity.EXPIRING} else BY_JOIN
    if file.path == ROTATED_SERVING:
        return BY_KUBELET
    if file.path in {AUTHORITY, ETCD_AUTHORITY, FRONT_PROXY_AUTHORITY}:
        return BY_HAND
    return BY_OWNER
