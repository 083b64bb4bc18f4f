"""cgroup v1, inotify and mounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cluster.facts.host_facts import HostFacts, Inotify, KernelOptions, KubernetesState, Mount
from cluster.kubeadm.preflight import KERNEL_OPTIONS
from cluster.rules.on_facts import check_facts
from cluster.vocabulary.problems import Problem, Severity
from cluster.vocabulary.spec import ClusterSpec

Make = Callable[..., Any]


def problems(spec: ClusterSpec, facts: HostFacts) -> tuple[Problem, ...]:
    """Problems of one host."""
    return check_facts(spec, {facts.host: facts}, bundle_architecture="amd64", bundle_size=1)


@pytest.mark.parametrize(
    ("kubeadm", "refused_by"),
    [
        ({}, "kubelet and kubeadm"),
        ({"kubelet": {"failCgroupV1": False}}, "which kubeadm of"),
        ({"ignore_preflight": ["SystemVerification"]}, "which kubelet of"),
        ({"kubelet": {"failCgroupV1": True}, "ignore_preflight": ["all"]}, "which kubelet of"),
        ({"kubelet": {"failCgroupV1": False}, "ignore_preflight": ["systemverification"]}, None),
        ({"extra_args": {"kubelet": {"fail-cgroupv1": "false"}}, "ignore_preflight": ["all"]}, None),
    ],
)
def test_cgroup_v1_needs_permission_for_kubelet_and_kubeadm(
    a_spec: Make, some_facts: Make, kubeadm: dict[str, Any], refused_by: str | None
) -> None:
    """Both of Kubernetes 1.35 and newer refuse it by default."""
    found = problems(a_spec(kubeadm=kubeadm), some_facts(1, cgroup_version=1))
    assert [problem.code for problem in found] == (["cgroup-v1"] if refused_by else [])
    assert all(refused_by in problem.message for problem in found if refused_by)
    assert problems(a_spec(kubeadm=kubeadm), some_facts(1, cgroup_version=2)) == ()
    assert problems(a_spec(kubeadm=kubeadm), some_facts(1, cgroup_version=None)) == ()


@pytest.mark.parametrize(
    ("facts", "code", "says"),
    [
        ({"cgroup_version": 2, "cgroup_controllers": frozenset({"cpu", "cpuset", "io", "pids"})}, "cgroup-controller-missing", "memory"),
        ({"cgroup_version": 2, "cgroup_controllers": frozenset({"cpu", "cpuset", "memory", "pids"})}, None, ""),
        ({"cgroup_version": 2, "cgroup_controllers": None}, None, ""),
        ({"kernel_options": KernelOptions("")}, "kernel-configuration-missing", "/proc/config.gz"),
        ({"kernel_options": KernelOptions()}, None, ""),
        (
            {"cgroup_version": 2, "kernel_options": KernelOptions("/proc/config.gz", frozenset(KERNEL_OPTIONS) - {"EXT4_FS"})},
            "kernel-option-missing",
            "CONFIG_EXT4_FS",
        ),
        (
            {"cgroup_version": 2, "kernel_options": KernelOptions("x", frozenset(KERNEL_OPTIONS) - {"NETFILTER_XT_TARGET_REDIRECT"})},
            None,
            "",
        ),
        ({"cgroup_version": 2, "kernel_options": KernelOptions("x", frozenset(KERNEL_OPTIONS) - {"CGROUP_DEVICE"})}, None, ""),
    ],
)
def test_what_the_system_verification_of_kubeadm_refuses_is_reported(
    a_spec: Make, some_facts: Make, facts: dict[str, Any], code: str | None, says: str
) -> None:
    """Options of the kernel and controllers of its cgroups, unless the file lets kubeadm ignore them. What is unknown refuses nothing."""
    found = problems(a_spec(), some_facts(1, **facts))
    assert [(problem.code, problem.severity) for problem in found] == ([(code, Severity.ERROR)] if code else [])
    assert all(says in problem.message and "ignore_preflight: [SystemVerification]" in problem.hint for problem in found)
    assert problems(a_spec(kubeadm={"ignore_preflight": ["SystemVerification"]}), some_facts(1, **facts)) == ()


def test_a_setting_that_the_kubelet_refuses_on_cgroup_v1_is_reported(a_spec: Make, some_facts: Make) -> None:
    """singleProcessOOMKill: false needs cgroup v2."""
    spec = a_spec(kubeadm={"kubelet": {"failCgroupV1": False, "singleProcessOOMKill": False}, "ignore_preflight": ["all"]})
    assert [problem.code for problem in problems(spec, some_facts(1, cgroup_version=1))] == ["cgroup-v1-oom-setting"]
    assert problems(spec, some_facts(1, cgroup_version=2)) == ()


@pytest.mark.parametrize(("free", "codes"), [(0, ["inotify-exhausted"]), (11, ["inotify-exhausted"]), (12, []), (None, [])])
def test_inotify_instances_are_needed(a_spec: Make, some_facts: Make, free: int | None, codes: list[str]) -> None:
    """On a node of the cluster the last ones give a warning: its own programs use them."""
    inotify = Inotify(128, 8192, free)
    found = problems(a_spec(), some_facts(1, inotify=inotify))
    assert [(problem.code, problem.severity) for problem in found] == [(code, Severity.ERROR) for code in codes]
    state = KubernetesState(kubelet_config=True)
    found = problems(a_spec(), some_facts(1, inotify=inotify, owner="demo", kubernetes=state))
    assert [(problem.code, problem.severity) for problem in found] == [("inotify-exhausted", Severity.WARNING)] * (free == 0)


@pytest.mark.parametrize(("inotify", "count"), [(Inotify(128, 8192), 0), (Inotify(127, 8191), 2), (Inotify(), 0)])
def test_limits_below_the_default_of_the_kernel_give_a_warning(a_spec: Make, some_facts: Make, inotify: Inotify, count: int) -> None:
    """Each limit with its own value."""
    found = problems(a_spec(), some_facts(1, inotify=inotify))
    assert [(problem.code, problem.severity) for problem in found] == [("inotify-limit-low", Severity.WARNING)] * count


@pytest.mark.parametrize(
    ("mounts", "codes"),
    [
        ({"/": "rw", "/var": "rw,noexec,nosuid"}, ["mount-restricts-volumes", "mount-restricts-volumes"]),
        ({"/": "rw", "/var": "rw,noexec", "/var/lib/kubelet": "rw"}, []),
        ({"/": "rw", "/opt": "rw,noexec"}, ["mount-noexec"]),
        ({"/": "rw", "/usr": "ro"}, ["mount-read-only"]),
        ({"/": "ro", "/etc": "rw", "/opt": "rw", "/usr/local": "rw", "/var": "rw"}, []),
        ({"/": "ro"}, ["mount-read-only"]),
        ({"/": "rw", "/varnish": "ro,noexec"}, []),
    ],
)
def test_mounts_of_folders_of_the_cluster_permit_their_use(
    a_spec: Make, some_facts: Make, mounts: dict[str, str], codes: list[str]
) -> None:
    """The mount that is closest to the folder counts. One problem per mount."""
    entries = tuple(Mount(point, frozenset(options.split(","))) for point, options in mounts.items())
    assert [problem.code for problem in problems(a_spec(), some_facts(1, mounts=entries))] == codes
