"""The plan of renew-certificates: what is renewed, in which order, and what keeps it from being renewed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from cluster.facts.certificates import HostCertificates
from cluster.facts.host_facts import Unknown
from cluster.kubeadm.documents import api_server_names, certificate_names
from cluster.plan.copies import CopySettings
from cluster.plan.expiry import (
    ADMIN_CONF,
    API_SERVER,
    AUTHORITY,
    ETCD_AUTHORITY,
    KUBELET_CONF,
    KUBELET_SERVING,
    MANAGED,
    PKI,
    Validity,
)
from cluster.plan.graph import Plan
from cluster.plan.renew import (
    PROBLEMS,
    RESTARTS,
    WARNINGS,
    RenewalSettings,
    address_problems,
    control_plane_problems,
    plan_renew,
    renewal_of,
    renewal_problems,
)
from cluster.plan.renewal_parameters import NothingChecked, read_renewal_settings
from cluster.plan.resolution import resolve_offline
from cluster.vocabulary.problems import Problem, Severity
from cluster.vocabulary.resolved_spec import ResolvedSpec
from tests.cluster.plan.certificates import CREATED, FRESH, NOW, YEAR, certificate, changed, without
from tests.cluster.plan.test_create import SPEC
from tests.cluster.plan.virtual_time import run_in_virtual_time

DAY = timedelta(days=1)
NAMES = certificate_names(SPEC)
COPIES = CopySettings("default")
ALL = RenewalSettings(everything=True)
SCHEDULER_CONF = "/etc/kubernetes/scheduler.conf"


def published(found: Mapping[str, HostCertificates]) -> str:
    """The fingerprint of the admin's certificate."""
    file = found["a"].file(ADMIN_CONF)
    return file.certificate.fingerprint if file is not None and file.certificate is not None else ""


def plan_of(
    found: Mapping[str, HostCertificates],
    settings: RenewalSettings = RenewalSettings(),  # noqa: B008 frozen
    *,
    copies: CopySettings | None = COPIES,
    names: tuple[str, ...] | None = NAMES,
    spec: ResolvedSpec = SPEC,
    saved: str | None = "as on the host",
) -> Plan:
    """The plan; without other arguments, the saved kubeconfig and the settings of the cluster are as on the host and in the file."""
    saved = published(found) if saved == "as on the host" else saved
    return plan_renew(spec, found, NOW, settings, copies=copies, names=names, published=saved)


def problems_of(found: Mapping[str, HostCertificates], settings: RenewalSettings = RenewalSettings()) -> tuple[Problem, ...]:  # noqa: B008 frozen
    """What keeps a renewal from running, and what it does not change."""
    renewals = {"a": renewal_of(SPEC, SPEC.hosts[0], found["a"], NOW, settings)}
    return (*control_plane_problems(SPEC, found), *renewal_problems(SPEC, found, renewals, NOW, settings.within))


def ids(plan: Plan) -> list[str]:
    """The steps, without the copy and the saved kubeconfig."""
    return [step.id for step in plan.steps]


def test_fresh_certificates_give_an_empty_plan() -> None:
    """A rerun converges."""
    assert plan_of(FRESH).empty
    assert plan_of(FRESH).notes == ()
    assert problems_of(FRESH) == ()


@pytest.mark.parametrize("managed", MANAGED, ids=lambda managed: managed.name)
@pytest.mark.parametrize("left", [20 * DAY, -DAY], ids=["expiring", "expired"])
def test_a_certificate_that_expires_is_renewed_and_only_what_reads_it_is_restarted(managed: object, left: timedelta) -> None:
    """In this order: the copy, the certificate, the restart. The kubeconfig is saved again with the admin's certificate."""
    from cluster.plan.expiry import ManagedCertificate

    assert isinstance(managed, ManagedCertificate)
    names = api_server_names(SPEC, SPEC.hosts[0]) if managed.path == API_SERVER else ()
    plan = plan_of(changed(managed.path, certificate(managed.name, left=left, names=names)))
    restarts = [f"{RESTARTS[component]}/a" for component in managed.components]
    publish = ["publish-kubeconfig/cluster"] if managed.path == ADMIN_CONF else []
    assert ids(plan) == ["save-copy/a", "renew-certificates/a", *restarts, *publish]
    step = plan.step("renew-certificates", "a")
    assert step is not None
    assert (step.values["renewed"], step.values["issued"], step.needs) == ([managed.name], [], ("save-copy/a",))
    assert managed.name in step.reason
    assert json.loads(json.dumps(step.values)) == step.values


@pytest.mark.parametrize("managed", MANAGED, ids=lambda managed: managed.name)
@pytest.mark.parametrize("validity", [Validity.MISSING, Validity.UNREADABLE], ids=str)
def test_a_certificate_that_is_missing_or_unreadable_is_issued_from_the_file(managed: object, validity: Validity) -> None:
    """`kubeadm certs renew` cannot read it. super-admin.conf may be somewhere else."""
    from cluster.plan.expiry import ManagedCertificate

    assert isinstance(managed, ManagedCertificate)
    found = without(FRESH, managed.path) if validity is Validity.MISSING else changed(managed.path, None, "torn")
    plan = plan_of(found, saved=published(FRESH))
    if validity is Validity.MISSING and not managed.required:
        assert plan.empty
        return
    step = plan.step("renew-certificates", "a")
    assert step is not None
    assert step.values["renewed"] == []
    assert step.values["issued"] == [{"name": managed.name, "phase": managed.phase, "files": list(managed.files)}]
    assert [step.kind for step in plan.steps if step.kind.startswith("restart")] == [RESTARTS[name] for name in managed.components]


def test_everything_is_renewed_one_static_pod_at_a_time() -> None:
    """etcd first, then the API server; each restart needs the one before, and the kubelet's own certificate comes last."""
    plan = plan_of(FRESH, ALL)
    assert [(step.id, step.needs) for step in plan.steps] == [
        ("save-copy/a", ()),
        ("renew-certificates/a", ("save-copy/a",)),
        ("restart-etcd/a", ("renew-certificates/a",)),
        ("restart-kube-apiserver/a", ("restart-etcd/a",)),
        ("restart-kube-controller-manager/a", ("restart-kube-apiserver/a",)),
        ("restart-kube-scheduler/a", ("restart-kube-controller-manager/a",)),
        ("renew-kubelet-certificate/a", ("restart-kube-scheduler/a",)),
        ("renew-kubelet-certificate/b", ()),
        ("publish-kubeconfig/cluster", ("restart-kube-scheduler/a",)),
    ]
    step = plan.step("renew-certificates", "a")
    assert step is not None
    assert step.values["renewed"] == [managed.name for managed in MANAGED]


def three_control_planes() -> tuple[ResolvedSpec, dict[str, HostCertificates]]:
    """The planner takes several, although a rule refuses such a file today."""
    first, worker = SPEC.hosts
    others = [
        first.model_copy(update={"name": f"a{number}", "addresses": tuple(address + number for address in first.addresses)})
        for number in (2, 3)
    ]
    spec = ResolvedSpec.of(SPEC.model_copy(update={"hosts": (first, *others, worker)}))
    return spec, {**FRESH, **{host.name: replace(FRESH["a"], host=host.name) for host in others}}


def test_control_planes_are_renewed_one_after_the_other() -> None:
    """No two restarts can run at the same time, whatever they take. No host is changed before every copy is stored."""
    spec, found = three_control_planes()
    plan = plan_of(found, ALL, spec=spec)
    seconds = {step.id: 5.0 for step in plan.steps}
    timed = run_in_virtual_time(plan, seconds)
    restarts = [step.id for step in plan.steps if step.kind.startswith("restart-")]
    assert len(restarts) == 12
    for earlier, later in itertools.pairwise(sorted(timed.starts[step] for step in restarts)):
        assert later - earlier >= 5.0
    copied = max(timed.starts[step.id] + 5.0 for step in plan.steps if step.kind == "save-copy")
    assert all(timed.starts[step.id] >= copied for step in plan.steps if step.kind == "renew-certificates")


def test_a_failure_stops_every_later_restart() -> None:
    """On this control plane and on the others; a worker's kubelet is not concerned."""
    spec, found = three_control_planes()
    plan = plan_of(found, ALL, spec=spec)
    for number, step in enumerate(plan.steps):
        if step.kind.startswith(("restart-", "renew-certificates", "save-copy")):
            started = run_in_virtual_time(plan, {each.id: 1.0 for each in plan.steps}, {step.id}).starts
            later = [each.id for each in plan.steps[number + 1 :] if each.kind.startswith(("restart-", "renew-certificates"))]
            assert [each for each in later if each in started] == []
            assert "renew-kubelet-certificate/b" in started


def situations() -> Iterator[Plan]:
    """Each certificate in each state, with each kind of settings."""
    states: tuple[Callable[[str], dict[str, HostCertificates]], ...] = (
        lambda path: changed(path, certificate("x", left=20 * DAY)),
        lambda path: changed(path, certificate("x", left=-DAY)),
        lambda path: changed(path, replace(certificate("x"), valid_from=NOW + DAY)),
        lambda path: changed(path, None, "torn"),
        lambda path: without(FRESH, path),
    )
    for path in (file.path for file in FRESH["a"].files):
        for state in states:
            for unfinished in (False, True):
                found = state(path)
                found["a"] = replace(found["a"], unfinished_renewal=unfinished)
                for settings in (RenewalSettings(), ALL):
                    for names in (None, (), NAMES):
                        for copies in (None, COPIES):
                            yield plan_of(found, settings, names=names, copies=copies)


def test_every_plan_is_a_graph_whose_restarts_form_a_chain() -> None:
    """Plan refuses cycles and missing needs."""
    count = 0
    for plan in situations():
        count += 1
        chain = [step for step in plan.steps if step.kind.startswith("restart-")]
        for earlier, later in itertools.pairwise(chain):
            assert later.needs == (earlier.id,)
        assert [step.kind for step in chain] == [kind for kind in RESTARTS.values() if plan.step(kind, "a")]
        replaced = plan.step("renew-certificates", "a")
        if replaced is not None and (replaced.values["renewed"] or replaced.values["issued"]):
            assert (plan.step("save-copy", "a") is not None) or any("without a copy" in note for note in plan.notes)
    assert count > 1000


def test_names_that_are_new_in_the_file_are_issued() -> None:
    """And those that the file no longer has go. kubeadm keeps the names of a certificate that it renews, so this one is issued."""
    control_plane = SPEC.control_plane.model_copy(update={"extra_sans": ("api.example", "2001:db8::7")})
    spec = ResolvedSpec.of(SPEC.model_copy(update={"control_plane": control_plane}))
    plan = plan_of(FRESH, spec=spec)
    assert ids(plan) == ["save-copy/a", "renew-certificates/a", "restart-kube-apiserver/a", "set-certificate-names/cluster"]
    issue, *_, names = plan.steps[1:]
    assert [each["name"] for each in issue.values["issued"]] == ["apiserver"]
    assert "lacks api.example, 2001:db8::7" in issue.reason
    assert {"api.example", "2001:db8::7"} <= set(names.values["names"])
    assert names.needs == ("restart-kube-apiserver/a",)
    current = api_server_names(spec, spec.hosts[0])
    later = plan_of(changed(API_SERVER, certificate("kube-apiserver", names=current)), names=certificate_names(spec))
    assert ids(later) == ids(plan)
    assert "has api.example, 2001:db8::7, which the file does not have" in later.steps[1].reason


def test_the_settings_of_the_cluster_get_the_names_alone_when_the_certificate_has_them() -> None:
    """A run that was killed after the restart; the order of names has no meaning."""
    assert ids(plan_of(FRESH, names=NAMES[1:])) == ["set-certificate-names/cluster"]
    assert plan_of(FRESH, names=NAMES[::-1]).empty


def test_without_an_answer_of_the_api_server_the_names_are_set_after_the_restart() -> None:
    """An expired certificate of the API server: its settings are read when it answers again. A fresh cluster that is silent needs nothing."""
    expired = certificate("apiserver", left=-DAY, names=api_server_names(SPEC, SPEC.hosts[0]))
    assert ids(plan_of(changed(API_SERVER, expired), names=None))[-1] == "set-certificate-names/cluster"
    assert plan_of(FRESH, names=None).empty


def test_a_component_that_is_older_than_its_certificate_is_restarted() -> None:
    """A run that was killed between both, or a person who renewed by hand. Nothing is copied: no private key is replaced."""
    started = {**FRESH["a"].started, "kube-scheduler": CREATED - timedelta(minutes=1)}
    plan = plan_of({**FRESH, "a": replace(FRESH["a"], started=started)})
    assert [(step.id, step.needs) for step in plan.steps] == [("restart-kube-scheduler/a", ())]
    assert SCHEDULER_CONF in plan.steps[0].reason
    values = plan.steps[0].values
    assert (values["component"], values["process"], values["files"]) == ("kube-scheduler", "kube-scheduler", [SCHEDULER_CONF])


def test_an_unfinished_renewal_is_completed() -> None:
    """Its certificates are put in place although the ones on the host look fresh; the scripts find out what is not younger."""
    plan = plan_of({**FRESH, "a": replace(FRESH["a"], unfinished_renewal=True)})
    assert ids(plan) == ["renew-certificates/a", *(f"{kind}/a" for kind in RESTARTS.values()), "publish-kubeconfig/cluster"]
    assert plan.steps[0].values["renewed"] == []
    plan = plan_of({**FRESH, "b": replace(FRESH["b"], unfinished_kubelet=True)})
    assert ids(plan) == ["renew-kubelet-certificate/b"]


def test_the_kubeconfig_is_saved_when_the_saved_one_has_another_certificate() -> None:
    """After a run that was killed before it; and when there is none."""
    assert ids(plan_of(FRESH, saved="of an earlier one")) == ["publish-kubeconfig/cluster"]
    assert ids(plan_of(FRESH, saved=None)) == ["publish-kubeconfig/cluster"]


@pytest.mark.parametrize("host", ["a", "b"])
def test_the_serving_certificate_of_a_kubelet_is_renewed_on_each_host(host: str) -> None:
    """The kubelet's client certificate is not: the kubelet replaces it."""
    found = changed(KUBELET_SERVING, certificate("x", left=3 * DAY), host=host)
    assert ids(plan_of(found)) == [f"renew-kubelet-certificate/{host}"]
    assert plan_of(changed(KUBELET_CONF, certificate("x", left=3 * DAY), host=host)).empty


@pytest.mark.parametrize("host", ["a", "b"])
def test_an_expired_certificate_of_a_kubelet_is_a_warning_with_a_remedy(host: str) -> None:
    """Other certificates can be renewed."""
    (problem,) = problems_of(changed(KUBELET_CONF, certificate("x", left=-DAY), host=host))
    assert (problem.code, problem.severity, problem.path) == (
        "kubelet-certificate-expired",
        Severity.WARNING,
        f"hosts/{host}{KUBELET_CONF}",
    )
    assert "docs/how-to/certificates.md" in problem.hint if host == "a" else KUBELET_CONF in problem.hint


@pytest.mark.parametrize("left", [-DAY, None], ids=["expired", "unreadable"])
def test_certificates_of_an_authority_that_has_expired_cannot_be_renewed(left: timedelta | None) -> None:
    """An error, when one of its certificates is due; a warning while none is. Those of other authorities are not named."""
    etcd = certificate("etcd-ca", left=left, term=10 * YEAR, authority=True) if left is not None else None
    found = changed(ETCD_AUTHORITY, etcd, "torn")
    if left is not None:
        (warning,) = problems_of(found)
        assert (warning.code, warning.severity) == ("authority-expiring", Severity.WARNING)
    (problem,) = problems_of(changed(f"{PKI}/etcd/server.crt", certificate("etcd-server", left=DAY - DAY), of=found))
    assert (problem.code, problem.severity, problem.path) == ("authority-expired", Severity.ERROR, f"hosts/a{ETCD_AUTHORITY}")
    assert "etcd-server" in problem.message
    assert "apiserver," not in problem.message
    assert "manual-rotation-of-ca-certificates" in problem.hint


def test_a_certificate_that_ends_with_its_authority_is_not_renewed_again_and_again() -> None:
    """kubeadm lets none outlive its authority. The authority is a warning, and the plan has a note."""
    ending = certificate("kubernetes", left=10 * DAY, term=10 * YEAR, authority=True)
    found = changed(AUTHORITY, ending)
    found = changed(ADMIN_CONF, certificate("admin.conf", left=10 * DAY), of=found)
    plan = plan_of(found)
    assert plan.empty
    assert "admin.conf" in plan.notes[0]
    assert [problem.code for problem in problems_of(found)] == ["authority-expiring"]
    # one that ends earlier still gains days
    assert not plan_of(changed(SCHEDULER_CONF, certificate("scheduler", left=2 * DAY), of=found)).empty
    assert not plan_of(found, ALL).empty


def test_a_missing_key_of_an_authority_is_an_error_only_when_it_is_needed() -> None:
    """An owner may keep it off the host (kubeadm's external CA mode)."""
    found = {**FRESH, "a": replace(FRESH["a"], authority_keys=frozenset({f"{PKI}/ca.key", f"{PKI}/front-proxy-ca.key"}))}
    assert problems_of(found) == ()
    (problem,) = problems_of(changed(f"{PKI}/etcd/peer.crt", certificate("etcd-peer", left=DAY), of=found))
    assert (problem.code, problem.path) == ("authority-key-missing", f"hosts/a{PKI}/etcd/ca.key")


def test_a_control_plane_that_is_none_is_an_error() -> None:
    """Bare, of another cluster, or with unreadable facts."""
    for other, code in (
        (HostCertificates("a"), "no-control-plane"),
        (replace(FRESH["a"], owner="other"), "no-control-plane"),
        (replace(FRESH["a"], unknown=(Unknown("certificates", "torn"),)), "certificates-unknown"),
    ):
        (problem,) = control_plane_problems(SPEC, {**FRESH, "a": other})
        assert problem.code == code


def test_a_control_plane_without_a_known_address_is_an_error() -> None:
    """Its certificate would be for 0.0.0.0. A worker that was not reached has no part in it."""
    seed, worker = SPEC.hosts
    for hosts, expected in (
        ((seed, worker.model_copy(update={"addresses": ()})), []),
        ((seed.model_copy(update={"addresses": ()}), worker), ["address-unknown"]),
    ):
        spec = resolve_offline(SPEC.model_copy(update={"hosts": hosts}))
        assert [problem.code for problem in address_problems(spec)] == expected


def test_every_problem_is_listed_with_its_severity() -> None:
    """For the reference."""
    assert PROBLEMS.keys() > WARNINGS


def test_hosts_that_are_not_renewed_are_noted() -> None:
    """A worker that was not reached, and one of another cluster: the control plane is renewed all the same."""
    plan = plan_of({"a": FRESH["a"]}, ALL)
    assert "b was not reached: its certificates are unknown" in plan.notes
    plan = plan_of({**FRESH, "b": replace(FRESH["b"], owner="other")}, ALL)
    assert "b is not part of cluster demo" in plan.notes
    assert plan.step("renew-kubelet-certificate", "b") is None


def test_private_keys_that_are_replaced_without_a_copy_are_noted() -> None:
    """Only where keys are replaced."""
    assert plan_of(FRESH, ALL, copies=None).notes == ("private keys of a are replaced without a copy",)
    assert plan_of(FRESH, copies=None).notes == ()


def test_parameters_are_read_and_every_fault_is_reported() -> None:
    """`"false"` is text, and would count as true."""
    assert read_renewal_settings(10) == RenewalSettings(10 * DAY)
    assert read_renewal_settings(0, everything=True, without_copy=False) == RenewalSettings(timedelta(0), everything=True)
    with pytest.raises(NothingChecked) as refused:
        read_renewal_settings("30", everything="false", without_copy=None)
    assert [problem.path for problem in refused.value.problems] == ["within_days", "everything", "without_copy"]
    for days in (True, -1, 1.5, None, 10**9):
        with pytest.raises(NothingChecked):
            read_renewal_settings(days)
