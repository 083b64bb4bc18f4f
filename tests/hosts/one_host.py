"""A cluster of one real host, and what the rules find on it."""

from __future__ import annotations

from typing import Any

from cluster.file.reader import read_document
from cluster.rules.on_facts import check_facts
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec
from hosts.facts import gather
from hosts.session import Session
from tests.hosts.conftest import LabMachine


def one_host(machine: LabMachine, **fields: Any) -> ClusterSpec:
    """A dual-stack cluster of that one host, whose cgroups are those of the machine. Keyword arguments replace top-level fields."""
    document = {
        "name": "facts",
        "stack": "dual-stack",
        "hosts": [{"name": machine.name, "role": "control-plane", "ssh": {"address": machine.addresses[0], "host_key": machine.host_key}}],
        "network": {"pods": [{"cidr": "10.244.0.0/16"}, {"cidr": "fd44::/56"}], "services": ["10.96.0.0/16", "fd44:0:0:ffff::/112"]},
        "kubeadm": {"kubelet": {"failCgroupV1": False}, "ignore_preflight": ["SystemVerification"]},
        **fields,
    }
    reading = read_document(document)
    assert reading.spec is not None, reading.problems
    return reading.spec


def problems_of(spec: ClusterSpec, session: Session, *, inotify: bool = False) -> tuple[Problem, ...]:
    """What the rules find on the host at this moment. `inotify`: also that the machine has few free instances, which depends on what other tests run."""
    facts = gather(session, spec.hosts[0])
    found = check_facts(spec, {facts.host: facts}, bundle_architecture=facts.architecture, bundle_size=2**20)
    return found if inotify else tuple(problem for problem in found if problem.code != "inotify-exhausted")
