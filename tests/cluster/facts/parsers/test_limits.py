"""Parts kernel-modules, cgroups, inotify and mounts."""

from __future__ import annotations

import pytest

from cluster.facts.host_facts import Inotify, KernelOptions, Mount
from cluster.facts.parsers.limits import cgroup_controllers, cgroup_version, inotify, kernel_modules, kernel_options, mounts


@pytest.mark.parametrize(
    ("text", "vxlan", "off"),
    [
        ("present vxlan", True, ()),
        ("config known\nconfig CONFIG_VXLAN=y", True, ()),
        ("modprobe vxlan insmod /lib/modules/6.1.0/kernel/drivers/net/vxlan/vxlan.ko", True, ()),
        ("config known\nconfig CONFIG_VXLAN=m\nmodprobe vxlan failed", False, ()),  # its package is not installed
        ("modprobe vxlan", True, ()),  # built in
        ("modprobe vxlan install /bin/false", False, ("vxlan",)),
        ("present vxlan\nmodprobe vxlan install /bin/false", True, ()),  # loaded before
        ("config known\nconfig CONFIG_VXLAN=m", False, ()),  # without modprobe nothing can load it
        ("config known", False, ()),
        ("", None, ()),
    ],
)
def test_a_module_is_available_if_it_is_present_or_can_be_loaded(text: str, vxlan: bool | None, off: tuple[str, ...]) -> None:
    """From the evidence of hosts with and without modprobe, /lib/modules and /proc/config.gz."""
    found = kernel_modules(text, netfilter=text)
    assert (found.available["vxlan"], found.off) == (vxlan, off)


@pytest.mark.parametrize(
    ("text", "version"), [("file-system cgroup2fs", 2), ("file-system tmpfs", 1), ("file-system cgroupfs", 1), ("file-system ", None)]
)
def test_the_cgroup_version_is_that_of_the_whole_hierarchy(text: str, version: int | None) -> None:
    """A hybrid machine has v2 below /sys/fs/cgroup/unified, and counts as v1 for the kubelet."""
    assert cgroup_version(text) == version


def test_the_controllers_of_cgroups_are_known_or_unknown() -> None:
    """Each on a line of its own; a host that prints none does not lack all of them."""
    assert cgroup_controllers("file-system cgroup2fs\ncontroller cpu\ncontroller memory") == frozenset({"cpu", "memory"})
    assert cgroup_controllers("file-system cgroup2fs") is None


def test_the_options_of_the_kernel_are_those_of_its_configuration() -> None:
    """Built in or modules. Without a configuration they are unknown, and whether kubeadm finds one is known."""
    known = "config known\nconfig CONFIG_NET_NS=y\nconfig CONFIG_EXT4_FS=m\nconfiguration /boot/config-6.1.0\nmodule nf_tables"
    assert kernel_options(known) == KernelOptions("/boot/config-6.1.0", frozenset({"NET_NS", "EXT4_FS"}))
    assert kernel_options("configuration missing") == KernelOptions("")
    assert kernel_options("configuration loadable") == KernelOptions()
    assert kernel_options("ipv6 on") == KernelOptions()


def test_unknown_limits_of_inotify_stay_unknown() -> None:
    """A kernel without inotify, or a host without perl."""
    assert inotify("limit 128\nlimit 192536\nfree 0") == Inotify(128, 192536, 0)
    assert inotify("") == Inotify()


def test_the_last_mount_of_a_point_counts() -> None:
    """It hides the others."""
    found = mounts("mount / rw,relatime\nmount /var rw\nmount /var rw,noexec")
    assert found == (Mount("/", frozenset({"rw", "relatime"})), Mount("/var", frozenset({"rw", "noexec"})))
