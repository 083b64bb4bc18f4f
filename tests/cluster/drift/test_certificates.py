"""Certificates as drift: those that end soon, and names that differ from the file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cluster.drift.certificates import certificate_differences
from cluster.drift.difference import Repair
from cluster.facts.certificates import Certificate, CertificateFile, HostCertificates
from cluster.kubeadm.documents import api_server_names
from cluster.plan.expiry import ADMIN_CONF, API_SERVER, AUTHORITY, MANAGED, check_certificates
from tests.cluster.plan.test_create import SPEC

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def certificate(days: int = 300, *, authority: bool = False, names: tuple[str, ...] = ()) -> Certificate:
    """One that is valid for so many days from now."""
    return Certificate("CN=x", "CN=kubernetes", NOW - timedelta(days=65), NOW + timedelta(days=days), "5a", names, authority)


def control_plane(**changes: Certificate) -> HostCertificates:
    """Host `a` with all certificates as kubeadm makes them, and changes by the name of kubeadm."""
    names = api_server_names(SPEC, SPEC.host("a"))
    files = [
        CertificateFile(managed.path, changes.get(managed.name, certificate(names=names if managed.path == API_SERVER else ())))
        for managed in MANAGED
    ]
    files.append(CertificateFile(AUTHORITY, changes.get("ca", certificate(3000, authority=True))))
    return HostCertificates("a", "demo", tuple(files))


def differences(found: HostCertificates) -> dict[str, Repair]:
    """Who repairs each difference, by path."""
    certificates = {"a": found}
    return {each.path: each.repair for each in certificate_differences(SPEC, check_certificates(SPEC, certificates, NOW), certificates)}


def test_fresh_certificates_with_the_names_of_the_file_are_no_drift() -> None:
    """Nor are those of a host of another cluster."""
    assert differences(control_plane()) == {}
    ending = control_plane(**{"admin.conf": certificate(1)})
    assert differences(replace(ending, owner="other")) == {}


def test_what_ends_soon_is_renewed_or_replaced_by_its_owner() -> None:
    """kubeadm's certificates by renew-certificates, an authority by hand."""
    found = control_plane(**{"admin.conf": certificate(29), "ca": certificate(-1, authority=True)})
    assert differences(found) == {
        f"hosts/a/certificates{ADMIN_CONF}": Repair.RENEW,
        f"hosts/a/certificates{AUTHORITY}": Repair.OWNER,
    }


def test_names_that_the_certificate_lacks_or_has_beside_are_one_difference() -> None:
    """renew-certificates replaces it."""
    names = (*api_server_names(SPEC, SPEC.host("a"))[1:], "old.example")
    found = control_plane(apiserver=certificate(names=names))
    assert differences(found) == {f"hosts/a/certificates{API_SERVER}/names": Repair.RENEW}
