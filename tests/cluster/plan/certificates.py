"""Certificates of the cluster of tests/cluster/plan/test_create.py as facts: a control plane `a` and a worker `b`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cluster.facts.certificates import Certificate, CertificateFile, HostCertificates
from cluster.kubeadm.documents import api_server_names
from cluster.plan.expiry import (
    API_SERVER,
    AUTHORITY,
    ETCD_AUTHORITY,
    FRONT_PROXY_AUTHORITY,
    KUBELET_CONF,
    KUBELET_SERVING,
    MANAGED,
)
from cluster.plan.renew import RESTARTS
from tests.cluster.plan.test_create import SPEC

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
CREATED = NOW - timedelta(days=100)


def certificate(
    name: str, *, left: timedelta = YEAR - timedelta(days=100), term: timedelta = YEAR, names: Sequence[str] = (), authority: bool = False
) -> Certificate:
    """A certificate that ends in `left`."""
    until = NOW + left
    fingerprint = hashlib.sha256(f"{name} {until}".encode()).hexdigest()
    return Certificate(f"CN={name}", "CN=kubernetes", until - term, until, fingerprint, tuple(names), authority)


def _file(path: str, content: Certificate) -> CertificateFile:
    return CertificateFile(path, content, changed=CREATED, kubeconfig=path.endswith(".conf"))


def _kubelet(name: str) -> tuple[CertificateFile, ...]:
    return (_file(KUBELET_CONF, certificate(f"system:node:{name}")), _file(KUBELET_SERVING, certificate(f"{name}@1")))


_AUTHORITIES = tuple(
    _file(path, certificate("kubernetes", left=9 * YEAR, term=10 * YEAR, authority=True))
    for path in (AUTHORITY, ETCD_AUTHORITY, FRONT_PROXY_AUTHORITY)
)
_LEAVES = tuple(
    _file(managed.path, certificate(managed.name, names=api_server_names(SPEC, SPEC.hosts[0]) if managed.path == API_SERVER else ()))
    for managed in MANAGED
)
FRESH: dict[str, HostCertificates] = {
    "a": HostCertificates(
        "a",
        owner="demo",
        files=(*_AUTHORITIES, *_LEAVES, *_kubelet("a")),
        authority_keys=frozenset(path.replace(".crt", ".key") for path in (AUTHORITY, ETCD_AUTHORITY, FRONT_PROXY_AUTHORITY)),
        started=dict.fromkeys(RESTARTS, CREATED + timedelta(minutes=1)),
    ),
    "b": HostCertificates("b", owner="demo", files=(_AUTHORITIES[0], *_kubelet("b"))),
}


def changed(
    path: str, content: Certificate | None, fault: str = "", *, host: str = "a", of: Mapping[str, HostCertificates] | None = None
) -> dict[str, HostCertificates]:
    """The certificates with another one at a path."""
    found = of or FRESH
    old = found[host].file(path) or CertificateFile(path, None)
    others = tuple(file for file in found[host].files if file.path != path)
    return {**found, host: replace(found[host], files=(*others, replace(old, certificate=content, fault=fault)))}


def without(found: Mapping[str, HostCertificates], *paths: str, host: str = "a") -> dict[str, HostCertificates]:
    """The certificates without files."""
    return {**found, host: replace(found[host], files=tuple(file for file in found[host].files if file.path not in paths))}
