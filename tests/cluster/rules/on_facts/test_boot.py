"""Settings that the next boot undoes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cluster.facts.host_facts import BootSettings, HostFacts
from cluster.facts.parsers.boot_settings import boot_settings
from cluster.rules.on_facts import check_facts
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec

Make = Callable[..., Any]


def problems(spec: ClusterSpec, facts: HostFacts) -> tuple[Problem, ...]:
    """Problems of one host."""
    return check_facts(spec, {facts.host: facts}, bundle_architecture="amd64", bundle_size=1)


def files(**lines: str) -> BootSettings:
    """Files of /etc/sysctl.d by their names, without .conf."""
    names = {name.replace("_", "-").lstrip("f"): text for name, text in lines.items()}
    parts = [f"file /etc/sysctl.d/{name}.conf" for name in names]
    parts += [f"/etc/sysctl.d/{name}.conf:{line}" for name, text in names.items() for line in text.split("|")]
    return boot_settings("\n".join(parts))


@pytest.mark.parametrize(
    ("settings", "lost"),
    [
        ({"f99_sysctl": "net.ipv4.ip_forward = 0"}, "net.ipv4.ip_forward to 0"),
        ({"f99_sysctl": "net/ipv4/ip_forward=0"}, "net.ipv4.ip_forward to 0"),
        ({"f99_sysctl": "-net.ipv4.ip_forward = 0"}, "net.ipv4.ip_forward to 0"),
        ({"f99_sysctl": "net.ipv4.conf.all.forwarding = 0"}, "net.ipv4.conf.all.forwarding to 0"),
        ({"f99_sysctl": "net.ipv4.conf.default.forwarding = 0"}, "net.ipv4.conf.default.forwarding to 0"),
        ({"f95_x": "net.ipv6.conf.all.forwarding=0"}, "net.ipv6.conf.all.forwarding to 0"),
        ({"f95_x": "net.bridge.bridge-nf-call-ip6tables = 0"}, "net.bridge.bridge-nf-call-ip6tables to 0"),
        ({"f95_x": "net.ipv4.ip_forward = 1|net.ipv4.ip_forward = 0"}, "net.ipv4.ip_forward to 0"),
        # for links: wildcards count from every file, because udev applies them to each new link
        ({"f10_x": "net.ipv4.conf.*.forwarding = 0"}, "net.ipv4.conf.*.forwarding to 0"),
        ({"f10_x": "net.ipv4.conf.eth0.forwarding = 0"}, "net.ipv4.conf.eth0.forwarding to 0"),
        ({"f10_x": "net.ipv6.conf.*.disable_ipv6 = 1"}, "net.ipv6.conf.*.disable_ipv6 to 1"),
        ({"f10_x": "net.ipv6.conf.default.disable_ipv6 = 1"}, "net.ipv6.conf.default.disable_ipv6 to 1"),
        ({"f10_x": "net.ipv6.conf.lo.disable_ipv6 = 1"}, "net.ipv6.conf.lo.disable_ipv6 to 1"),
        # harmless
        ({"f10_x": "net.ipv4.ip_forward = 0"}, None),
        ({"f99_x": "# net.ipv4.ip_forward = 0"}, None),
        ({"f99_x": "net.ipv4.ip_forward = 1"}, None),
        ({"f99_x": "net.ipv6.conf.all.forwarding = 2"}, None),
        ({"f95_x": "net.ipv4.ip_forward = 0", "f99_x": "net.ipv4.ip_forward = 1"}, None),
        ({"f99_x": "net.ipv4.conf.wlan0.forwarding = 0"}, None),
        ({"f99_x": "net.ipv6.conf.eth0.forwarding = 0"}, None),
        ({"f99_x": "net.ipv6.conf.wlan0.disable_ipv6 = 1"}, None),
        ({"f99_x": "-net.ipv4.conf.eth0.forwarding"}, None),
        ({"f90_sixstack": "net.ipv4.ip_forward = 0"}, None),  # sixstack writes this file
    ],
)
def test_a_setting_that_another_file_overrides_at_boot_is_refused(
    a_spec: Make, some_facts: Make, settings: dict[str, str], lost: str | None
) -> None:
    """In the order of systemd-sysctl, with its wildcards and both spellings (amazon-eks-ami#746)."""
    found = problems(a_spec(), some_facts(1, boot=files(**settings)))
    assert [(problem.code, problem.path) for problem in found] == ([("setting-lost-at-boot", "hosts/node-1/sysctl")] if lost else [])
    assert all(lost in problem.message and "/etc/sysctl.d/" in problem.hint for problem in found if lost)


def test_only_settings_of_families_in_use_matter(a_spec: Make, some_facts: Make) -> None:
    """An IPv4 cluster works with IPv6 disabled."""
    boot = files(f99_x="net.ipv6.conf.all.forwarding = 0|net.ipv6.conf.all.disable_ipv6 = 1")
    assert len(problems(a_spec(), some_facts(1, boot=boot))) == 2
    assert problems(a_spec(stack="ipv4"), some_facts(1, boot=boot)) == ()


def test_a_link_to_another_file_is_named_with_its_target(a_spec: Make, some_facts: Make) -> None:
    """Debian reads /etc/sysctl.conf as 99-sysctl.conf."""
    boot = boot_settings("file /etc/sysctl.d/99-sysctl.conf ../sysctl.conf\n/etc/sysctl.d/99-sysctl.conf:net.ipv4.ip_forward = 0")
    (problem,) = problems(a_spec(), some_facts(1, boot=boot))
    assert "/etc/sysctl.d/99-sysctl.conf -> ../sysctl.conf" in problem.message


def test_ufw_sets_its_file_after_all_others(a_spec: Make, some_facts: Make) -> None:
    """/etc/ufw/sysctl.conf, with slashes."""
    boot = boot_settings(
        "file /etc/sysctl.d/99-x.conf\nlate /etc/ufw/sysctl.conf\n/etc/sysctl.d/99-x.conf:net.ipv4.ip_forward=1\n/etc/ufw/sysctl.conf:net/ipv4/ip_forward=0"
    )
    (problem,) = problems(a_spec(), some_facts(1, boot=boot))
    assert "/etc/ufw/sysctl.conf" in problem.message


def test_a_file_hides_the_same_name_in_later_folders() -> None:
    """/etc before /run before /usr/lib, and then all by name."""
    paths = (
        "/usr/lib/sysctl.d/10-a.conf",
        "/etc/sysctl.d/99-sysctl.conf",
        "/usr/lib/sysctl.d/50-b.conf",
        "/run/sysctl.d/50-b.conf",
        "/etc/sysctl.d/50-b.conf",
    )
    found = boot_settings("\n".join(f"file {path}" for path in paths))
    assert [file.path for file in found.files] == ["/usr/lib/sysctl.d/10-a.conf", "/etc/sysctl.d/50-b.conf", "/etc/sysctl.d/99-sysctl.conf"]


@pytest.mark.parametrize(
    ("key", "with_slashes"),
    [
        ("net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding"),
        ("net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding"),
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
    ],
)
def test_the_first_separator_of_a_key_decides(key: str, with_slashes: str) -> None:
    """sysctl.d(5): a link may have a dot in its name."""
    (file,) = boot_settings(f"file /etc/sysctl.d/a.conf\n/etc/sysctl.d/a.conf:{key} = 1").files
    assert [line.key for line in file.lines] == [with_slashes]


def slaac(facts: HostFacts) -> HostFacts:
    """The same host with an address that the kernel made from an advertisement, and accept_ra 1."""
    link = facts.links[0]
    flags = frozenset({"dynamic", "mngtmpaddr"})
    addresses = tuple(replace(entry, flags=flags) if str(entry.address).startswith("fd66") else entry for entry in link.addresses)
    return replace(facts, links=(replace(link, addresses=addresses, accept_ra=1),))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("net.ipv6.conf.eth0.accept_ra = 1", ["setting-lost-at-boot"]),
        ("net.ipv6.conf.eth0.accept_ra = 2", []),
        ("net.ipv6.conf.*.accept_ra = 0", []),  # the line of the link itself takes precedence
        ("net.ipv6.conf.eth1.accept_ra = 0", []),
    ],
)
def test_accept_ra_of_a_link_with_advertisements_survives(a_spec: Make, some_facts: Make, line: str, expected: list[str]) -> None:
    """sixstack writes accept_ra = 2 for this link into its own file, unless the cluster file forbids it."""
    facts = slaac(some_facts(1, boot=files(f99_x=line)))
    assert [problem.code for problem in problems(a_spec(), facts)] == expected
    assert [problem.code for problem in problems(a_spec(prepare={"accept_ra": False}), facts)] == ["address-at-risk"]


@pytest.mark.parametrize(
    ("stanza", "expected"),
    [
        ("iface eth0 inet6 auto", ["advertisements-lost-at-boot"]),
        ("iface eth0 inet6 auto|accept_ra 1", ["advertisements-lost-at-boot"]),
        ("iface eth0 inet6 auto|accept_ra 2", []),
        ("iface eth1 inet6 auto", []),
        ("iface eth0 inet dhcp|accept_ra 1", []),
        ("iface eth0 inet6 auto|accept_ra 2|iface eth1 inet6 auto|accept_ra 1", []),
    ],
)
def test_ifupdown_keeps_advertisements_at_boot(a_spec: Make, some_facts: Make, stanza: str, expected: list[str]) -> None:
    """Its method auto sets accept_ra to 1 after all files, unless the stanza says 2."""
    boot = boot_settings("\n".join(f"ifupdown {line}" for line in stanza.split("|")))
    assert [problem.code for problem in problems(a_spec(), slaac(some_facts(1, boot=boot)))] == expected
    assert problems(a_spec(), some_facts(1, boot=boot)) == ()
