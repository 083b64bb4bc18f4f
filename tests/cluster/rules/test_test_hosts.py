"""Which hosts a retest may free: test hosts, by the file and by the machine, that no other tool uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cluster.facts.host_facts import Conflict, HostFacts, KubernetesState
from cluster.rules.test_hosts import test_host_problems as problems_of
from cluster.vocabulary.spec import ClusterSpec

Make = Callable[..., Any]


def codes(spec: ClusterSpec, *facts: HostFacts) -> list[tuple[str, str]]:
    """(code, path) of every problem."""
    return [(problem.code, problem.path) for problem in problems_of(spec, {one.host: one for one in facts})]


@pytest.mark.parametrize("owner", [None, "demo", "a-cluster-that-is-not-saved"])
def test_marked_hosts_are_freed_whichever_sixstack_cluster_has_them(a_spec: Make, some_facts: Make, owner: str | None) -> None:
    """Bare, of this cluster, of another one."""
    kubernetes = KubernetesState() if owner is None else KubernetesState(ca_hash="sha256:aa", kubelet_config=True)
    facts = [some_facts(number, test_host=True, owner=owner, kubernetes=kubernetes) for number in (1, 2)]
    assert codes(a_spec(test_hosts=True), *facts) == []


def test_the_file_and_every_machine_must_say_so(a_spec: Make, some_facts: Make) -> None:
    """All that is missing is reported at once."""
    assert codes(a_spec(), some_facts(1, owner="demo"), some_facts(2)) == [
        ("no-test-hosts", "test_hosts"),
        ("test-host-not-marked", "hosts/node-1"),
        ("test-host-not-marked", "hosts/node-2"),
    ]
    assert codes(a_spec(test_hosts=True), some_facts(1, test_host=True), some_facts(2)) == [("test-host-not-marked", "hosts/node-2")]


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("host-has-another-cluster", {"kubernetes": KubernetesState(ca_hash="sha256:bb", kubelet_config=True)}),
        ("foreign-runtime", {"conflicts": (Conflict("unit", "docker.service", "/lib/systemd/system/docker.service"),)}),
        ("leftovers", {"conflicts": (Conflict("file", "/etc/cni/net.d/10-other.conflist"),)}),
    ],
)
def test_a_marked_host_of_another_tool_is_refused(a_spec: Make, some_facts: Make, code: str, changes: dict[str, Any]) -> None:
    """A marker is no permission to reset what sixstack did not make; the other host may belong to a sixstack cluster."""
    found = codes(a_spec(test_hosts=True), some_facts(1, test_host=True, owner="demo"), some_facts(2, test_host=True, **changes))
    assert [(one, path.split("/")[1]) for one, path in found] == [(code, "node-2")]


@pytest.mark.parametrize("owner", ["../../other", "Demo", "two words", "a" * 41, "retests", "demo\n"])
def test_an_owner_that_cannot_be_a_cluster_is_refused(a_spec: Make, some_facts: Make, owner: str) -> None:
    """The machine wrote it: it must not name a folder outside the audit store, or the slot that the retest run itself holds."""
    facts = [some_facts(1, test_host=True, owner=owner), some_facts(2, test_host=True)]
    assert codes(a_spec(test_hosts=True), *facts) == [("owner-not-a-cluster", "hosts/node-1")]
