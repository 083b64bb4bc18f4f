"""Which certificates need attention, and what renews each of them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from cluster.facts.certificates import CertificateFile, HostCertificates
from cluster.plan.expiry import (
    ADMIN_CONF,
    API_SERVER,
    AUTHORITY,
    BY_HAND,
    BY_JOIN,
    BY_KUBELET,
    BY_OWNER,
    BY_RENEWAL,
    KUBELET_CONF,
    KUBELET_SERVING,
    MANAGED,
    PKI,
    CertificateCheck,
    Validity,
    check_certificates,
)
from tests.cluster.plan.certificates import FRESH, NOW, certificate, changed, without
from tests.cluster.plan.test_create import SPEC

DAY = timedelta(days=1)


def check(found: dict[str, HostCertificates], within: timedelta = 30 * DAY) -> CertificateCheck:
    """The check of the cluster of the tests."""
    return check_certificates(SPEC, found, NOW, within)


def test_fresh_certificates_need_no_attention() -> None:
    """The next one to expire comes first."""
    found = check(FRESH)
    assert (found.due, found.expired) == ((), ())
    ends = [row.certificate.valid_until for row in found.rows if row.certificate]
    assert ends == sorted(ends)
    assert found.next_expiry == ends[0]
    assert found.verdict == f"all {len(found.rows)} certificates are fresh; the next one expires on {ends[0]:%Y-%m-%d}"
    assert len(found.rows) == len(FRESH["a"].files) + len(FRESH["b"].files)


@pytest.mark.parametrize(
    ("left", "validity", "days"),
    [
        (31 * DAY, Validity.FRESH, 31),
        (30 * DAY, Validity.EXPIRING, 30),
        (timedelta(seconds=1), Validity.EXPIRING, 0),
        (timedelta(0), Validity.EXPIRED, 0),
        (-timedelta(seconds=1), Validity.EXPIRED, -1),
    ],
)
def test_a_certificate_is_due_when_the_limit_is_reached(left: timedelta, validity: Validity, days: int) -> None:
    """The limit itself counts."""
    found = check(changed(API_SERVER, certificate("kube-apiserver", left=left)))
    (row,) = [row for row in found.rows if row.path == API_SERVER]
    assert (row.validity, row.days_left, row.renewed_by) == (validity, days, BY_RENEWAL)
    assert (row in found.due) is (validity is not Validity.FRESH)
    assert (row in found.expired) is (validity is Validity.EXPIRED)


def test_a_missing_and_an_unreadable_certificate_come_first() -> None:
    """Also one that is not valid yet cannot be used. super-admin.conf may be somewhere else."""
    found = without(changed(API_SERVER, None, "torn"), f"{PKI}/etcd/peer.crt", "/etc/kubernetes/super-admin.conf")
    future = certificate("kubernetes-admin", left=400 * DAY)
    found = changed(ADMIN_CONF, replace(future, valid_from=NOW + DAY), of=found)
    rows = {row.path: row for row in check(found).due}
    assert {path: row.validity for path, row in rows.items()} == {
        f"{PKI}/etcd/peer.crt": Validity.MISSING,
        API_SERVER: Validity.UNREADABLE,
        ADMIN_CONF: Validity.NOT_YET_VALID,
    }
    assert {row.path for row in check(found).rows[:2]} == {API_SERVER, f"{PKI}/etcd/peer.crt"}
    assert check(found).expired == tuple(rows.values())
    assert "torn" in rows[API_SERVER].as_row()["subject"]
    assert "3 of" in check(found).verdict


@pytest.mark.parametrize(
    ("path", "left", "by"),
    [
        (AUTHORITY, 20 * DAY, BY_HAND),
        (f"{PKI}/etcd/ca.crt", 20 * DAY, BY_HAND),
        (KUBELET_CONF, 20 * DAY, BY_KUBELET),
        (KUBELET_CONF, -DAY, BY_JOIN),
        (KUBELET_SERVING, -DAY, BY_RENEWAL),
        (f"{PKI}/webhook/own.crt", 20 * DAY, BY_OWNER),
    ],
)
def test_what_renews_a_certificate(path: str, left: timedelta, by: str) -> None:
    """Authorities and certificates of the owner are not renewed by sixstack."""
    (row,) = [row for row in check(changed(path, certificate("x", left=left))).due if row.path == path]
    assert row.renewed_by == by


def test_a_certificate_that_the_kubelet_replaces_is_due_only_when_that_is_overdue() -> None:
    """A term of 20 days is not due at its begin: the kubelet replaces it when 70 to 90 % of it have passed."""
    for left, validity in ((15, Validity.FRESH), (3, Validity.FRESH), (1, Validity.EXPIRING)):
        found = changed(KUBELET_CONF, certificate("system:node:a", left=left * DAY, term=20 * DAY))
        (row,) = [row for row in check(found).rows if row.path == KUBELET_CONF and row.host == "a"]
        assert row.validity is validity


def test_hosts_of_others_have_no_certificates_of_this_cluster() -> None:
    """And a bare worker misses none."""
    assert check({"a": replace(FRESH["a"], owner="other"), "b": HostCertificates("b")}).rows == ()
    assert check({"b": HostCertificates("b", owner="demo")}).verdict == "no certificate was found"


def test_a_check_fails_when_a_certificate_cannot_be_used_or_when_there_is_none() -> None:
    """A scheduled check of a cluster that was deleted must not pass. What only expires soon is an event."""
    assert not check(FRESH).failed
    assert not check(FRESH, 3650 * DAY).failed
    assert check({}).failed
    assert check({name: replace(found, owner="other") for name, found in FRESH.items()}).failed
    assert check_certificates(SPEC, FRESH, NOW + 7300 * DAY).failed


def test_the_check_is_plain_json_and_a_table() -> None:
    """Also without a certificate; text of hosts stays inside its cell of the page."""
    found = check(changed(API_SERVER, None, "torn | *bold*"))
    document = json.loads(json.dumps(found.as_dict()))
    assert document["within_days"] == 30
    assert [row["path"] for row in document["certificates"]] == [row.path for row in found.rows]
    (row,) = [row for row in document["certificates"] if row["path"] == API_SERVER]
    assert (row["state"], row["days_left"], row["valid_until"], row["fault"]) == ("unreadable", None, None, "torn | *bold*")
    page = found.page(["hosts/b: not reached"])
    assert "torn \\| \\*bold\\*" in page
    assert "- not inspected: hosts/b: not reached" in page
    assert len([line for line in page.splitlines() if line.startswith("| ")]) == len(found.rows) + 2


def test_every_certificate_of_kubeadm_is_known() -> None:
    """One row each; names and paths are unique."""
    assert len({managed.name for managed in MANAGED}) == len({managed.path for managed in MANAGED}) == len(MANAGED) == 11
    assert CertificateFile(API_SERVER, None).path in {managed.path for managed in MANAGED}
