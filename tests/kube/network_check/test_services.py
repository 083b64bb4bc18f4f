"""The services of a check, and the expected families of each."""

from __future__ import annotations

from cluster.vocabulary.families import Family
from kube.network_check.services import MAIN, REQUIRE, SINGLE, ProbeService, ServiceKind, check_service, created_service, service_kinds
from tests.kube.network_check.scope import BOTH

V4 = (Family.IPV4,)
KINDS = {kind.name: kind for kind in service_kinds(BOTH, full=True)}


def made(kind: ServiceKind, *families: Family) -> ProbeService:
    """A created service with these families."""
    return ProbeService(kind, families, (), 0)


def test_each_policy_means_its_families() -> None:
    """SingleStack: the first or the requested family. PreferDualStack: all families. RequireDualStack: both or a refusal."""
    assert KINDS["single"].expected_families(BOTH) == V4
    assert KINDS["single-second"].expected_families(BOTH) == (Family.IPV6,)
    assert (MAIN.expected_families(BOTH), MAIN.expected_families(V4)) == (BOTH, V4)
    assert (KINDS["require"].expected_families(BOTH), KINDS["require"].expected_families(V4)) == (BOTH, ())


def test_a_single_stack_cluster_asks_for_no_second_family() -> None:
    """The cluster has no second family."""
    assert "single-second" not in {kind.name for kind in service_kinds(V4, full=True)}
    assert service_kinds(V4, full=False) == (MAIN,)


def test_a_refusal_is_correct_only_if_required() -> None:
    """Only RequireDualStack on a single-stack cluster must be refused."""
    require = ServiceKind("require", REQUIRE)
    assert check_service(require, None, "only one family", V4).ok
    assert check_service(require, made(require, *V4), "", V4).detail == "got IPv4: a single-stack cluster must refuse this service"
    assert check_service(require, None, "only one family", BOTH).detail == "the API server refused it: only one family"


def test_the_order_of_families_counts() -> None:
    """The first is the primary one."""
    assert check_service(MAIN, made(MAIN, *BOTH), "", BOTH).ok
    assert check_service(MAIN, made(MAIN, *reversed(BOTH)), "", BOTH).detail == "got IPv6 then IPv4, expected IPv4 then IPv6"


def test_a_headless_service_has_no_address_and_its_pods_port() -> None:
    """Its port is not translated."""
    headless = ServiceKind("headless", SINGLE, headless=True)
    document = headless.document("ns", 29417)
    assert (document["spec"]["clusterIP"], document["spec"]["ports"][0]["port"]) == ("None", 29417)
    assert created_service(headless, {"spec": {**document["spec"], "clusterIPs": ["None"], "ipFamilies": ["IPv4"]}}).addresses == ()
