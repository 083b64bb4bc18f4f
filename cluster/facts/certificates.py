"""Certificates of one host: kubeadm's PKI, kubeconfigs and the kubelet. Only public parts: no private key leaves a host.

hosts/facts.py gathers them with a script of their own, because only renewal, checks and comparisons need them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cluster.facts.host_facts import Unknown


@dataclass(frozen=True, slots=True)
class Certificate:
    """The public content of one certificate."""

    subject: str  # as in RFC 4514: CN=kube-apiserver
    issuer: str
    valid_from: datetime
    valid_until: datetime
    fingerprint: str  # sha256 of the DER form, in hexadecimal
    names: tuple[str, ...] = ()  # subject alternative names: DNS names in lower case, addresses in their canonical form
    authority: bool = False  # it may sign other certificates


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """A file with a certificate: a certificate of the PKI, or a kubeconfig."""

    path: str
    certificate: Certificate | None  # the first one in the file; None: see `fault`
    fault: str = ""  # why there is no certificate
    changed: datetime | None = None  # modification time of the file; None: unknown
    kubeconfig: bool = False
    reference: str = ""  # of a kubeconfig: the file that has its certificate


@dataclass(frozen=True, slots=True)
class HostCertificates:
    """All certificates of one host at one moment."""

    host: str  # name in the cluster file
    owner: str | None = None  # cluster name in /var/lib/sixstack/owner
    files: tuple[CertificateFile, ...] = ()
    authority_keys: frozenset[str] = frozenset()  # paths of the private keys of authorities that are on the host
    started: Mapping[str, datetime] = field(default_factory=dict)  # component of the control plane -> when its process was started
    unfinished_renewal: bool = False  # an earlier renewal has issued certificates and not put all of them in place
    unfinished_kubelet: bool = False  # an earlier renewal has removed the certificate of the kubelet and not started the kubelet again
    unknown: tuple[Unknown, ...] = ()

    def file(self, path: str) -> CertificateFile | None:
        """The file with this path, or None."""
        return next((file for file in self.files if file.path == path), None)
