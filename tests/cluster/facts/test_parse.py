"""Parsing recorded output of the facts script."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.facts.host_facts import HostFacts, InstalledArtifacts
from cluster.facts.parse import ARTIFACT_PARTS, PARTS, clock_offset, parse, parse_installed_artifacts
from cluster.facts.parsers.sections import MARKER, sections_of
from cluster.vocabulary.errors import HostError
from cluster.vocabulary.families import Family

Recorded = Callable[[str], str]
_HERE = Path(__file__).parent


def facts_of(text: str) -> HostFacts:
    """Parsed with the clock of the recording."""
    begin, end = (float(text.split(f"{MARKER}{name}\n")[1].split(maxsplit=1)[0]) for name in ("begin", "end"))
    return parse(text, "node-1", sent=begin - 0.01, received=end + 0.01)


def test_all_facts_of_a_bare_host_are_read(recorded: Recorded) -> None:
    """A bare Debian 12: identity, resources, and no conflicts."""
    facts = facts_of(recorded("bare-debian-12"))
    assert facts.unknown == ()
    assert (facts.hostname, facts.os, facts.kernel, facts.architecture) == (
        "factsdev-1",
        "Debian GNU/Linux 12 (bookworm)",
        (6, 18, 44),
        "amd64",
    )
    assert (facts.cpus, facts.root, facts.swap, facts.missing_commands) == (2, True, (), ())
    assert facts.memory > 2**30
    assert facts.disk_free > 2**30
    assert abs(facts.clock_offset) < timedelta(seconds=1)
    assert facts.link_of(ip_address("198.18.0.43")) is facts.link_of(ip_address("fd9c:5a17:e0b4:1::11")) is facts.link("host0")
    assert [(route.family, route.interface) for route in facts.default_routes] == [(Family.IPV4, "host0"), (Family.IPV6, "host0")]
    assert facts.nat == {Family.IPV4: True, Family.IPV6: True}
    assert (facts.owner, facts.prepared, facts.conflicts, facts.firewall, facts.steps) == (None, None, (), (), ())
    assert not facts.kubernetes.present


def test_all_facts_of_a_control_plane_are_read(recorded: Recorded) -> None:
    """A control plane of sixstack: owner, files, images and cluster, and no conflicts."""
    facts = facts_of(recorded("control-plane"))
    assert facts.unknown == ()
    assert facts.owner == "stepsdev"
    assert facts.conflicts == ()
    assert len(facts.bundle_files) == 18
    assert "registry.k8s.io/kube-apiserver:v1.36.3" in facts.images
    assert not any(image.startswith("sha256:") for image in facts.images)
    state = facts.kubernetes
    assert state.ca_hash == "sha256:5216c3b6e731026165e4901883c0cb4d2979cf4cbf4b858a0e51832c69a032da"
    assert state.kubelet_config
    assert state.admin_config
    assert state.api_manifest
    assert state.kubelet_active
    assert state.service_ranges == (ip_network("10.96.0.0/16"), ip_network("fd44:5a17:e0b4:ff00::/112"))
    assert state.pod_ranges == (ip_network("10.244.0.0/16"), ip_network("fd44:5a17:e0b4::/56"))
    assert state.node_ips == (ip_address("198.18.0.11"), ip_address("fd9c:5a17:e0b4::11"))
    assert (state.dns_domain, state.endpoint) == ("cluster.local", "https://198.18.0.11:6443")


def test_parse_installed_artifacts_agrees_with_parse(recorded: Recorded) -> None:
    """It reads only ARTIFACT_PARTS. Malformed parts count as empty, truncated output is an error."""
    whole = recorded("control-plane")
    facts = facts_of(whole)
    short = "".join(f"{MARKER}{part}" for part in whole.split(MARKER)[1:] if part.split("\n")[0] in {*ARTIFACT_PARTS, "begin", "end"})
    assert parse_installed_artifacts(short, "node-1") == InstalledArtifacts(facts.bundle_files, facts.images)
    assert facts.images
    assert parse_installed_artifacts(f"{MARKER}end\n0\n", "node-1") == InstalledArtifacts()
    with pytest.raises(HostError, match="part images"):
        parse_installed_artifacts(short.partition(f"{MARKER}end")[0], "node-1")


def test_a_host_with_few_commands_is_read_partly(recorded: Recorded) -> None:
    """Without ip, ss, systemctl and timeout, their facts are unknown or come from /proc, and the commands are reported as missing."""
    facts = facts_of(recorded("few-commands"))
    assert [unknown.part for unknown in facts.unknown] == ["links"]
    assert facts.missing_commands == ("ip", "losetup", "systemctl", "timeout", "gzip")
    assert {(one.protocol, one.family, one.port) for one in facts.sockets} == {("tcp", Family.IPV4, 22), ("tcp", None, 22)}
    assert facts.nftables is True


def test_a_login_banner_is_ignored(recorded: Recorded) -> None:
    """The profile of a shell can print text before the first marker."""
    text = recorded("bare-debian-12")
    assert facts_of("Welcome to this host\n\n" + text) == facts_of(text)


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_is_an_unknown_fact(recorded: Recorded, part: str) -> None:
    """Without the identity part, the result is a HostError."""
    text = recorded("control-plane").replace(f"{MARKER}{part}\n", f"{MARKER}something-else\n")
    if part == "identity":
        with pytest.raises(HostError, match=r"node-1: .*identity"):
            facts_of(text)
    else:
        assert [unknown.part for unknown in facts_of(text).unknown] == [part]


def test_truncated_output_is_reported_with_its_last_part(recorded: Recorded) -> None:
    """The last section shows the owner where the script hung or the disk was full."""
    text = recorded("control-plane")
    with pytest.raises(HostError, match=r"node-1: .* part images"):
        parse(text[: text.index("registry.k8s.io/pause")], "node-1", sent=0, received=1)


def test_output_of_another_program_is_quoted() -> None:
    """For example the message of a disabled login shell."""
    with pytest.raises(HostError, match="This account is currently not available"):
        parse("This account is currently not available.\n", "node-1", sent=0, received=1)


@given(st.data())
def test_malformed_output_never_raises_other_errors(data: st.DataObject) -> None:
    """Any damage of real output gives facts or a HostError."""
    text = (_HERE / "recorded" / "control-plane.txt").read_text()
    start = data.draw(st.integers(0, len(text)))
    garbled = text[:start] + data.draw(st.text(max_size=40)) + text[start + data.draw(st.integers(0, 400)) :]
    with suppress(HostError):
        assert parse(garbled, "node-1", sent=0, received=1).host == "node-1"


@pytest.mark.parametrize("ahead", [-40.0, 0.0, 3600.0])
def test_the_clock_offset_excludes_the_round_trip(ahead: float) -> None:
    """A slow connection or script does not change the offset."""
    # sent at 100, arrives at 102; the script takes 5 s; the answer arrives 2 s later
    assert clock_offset(102 + ahead, 107 + ahead, sent=100, received=109) == timedelta(seconds=ahead)


def test_a_clock_without_fractions_is_read() -> None:
    """date of busybox prints %N unchanged."""
    text = "@@ sixstack begin\n1700000000.%N\n@@ sixstack identity\nhostname a\nkernel 6.1.0\nmachine x86_64\nuid 0\n@@ sixstack end\n1700000001.%N\n"
    assert parse(text, "node-1", sent=1700000000, received=1700000001).clock_offset == timedelta()


def replaced(text: str, part: str, content: str) -> str:
    """Recorded output with another content of a part."""
    before, _, rest = text.partition(f"{MARKER}{part}\n")
    _, _, after = rest.partition(MARKER)
    return f"{before}{MARKER}{part}\n{content}\n{MARKER}{after}"


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("links", "[" * 200_000),
        ("links", '[{"ifname":' * 200_000),
        ("links", '[{"ifname": "a", "mtu": 1e999}]'),
        ("links", '[{"ifname": "a", "mtu": Infinity}]'),
        ("links", '[{"ifname": "a", "mtu": ' + "9" * 4000 + "}]"),
        ("routes", "ipv4 " + "[" * 200_000 + "\nipv6 []"),
        ("nftables", "[" * 200_000),
        ("nftables", '{"nftables": ' * 200_000),
        ("resources", "cpus " + "9" * 4000),
        ("sockets", "proc-tcp 00000000:" + "F" * 10_000 + " 0A"),
    ],
)
def test_json_that_is_too_deep_and_numbers_that_are_too_large_make_their_part_unknown(recorded: Recorded, part: str, content: str) -> None:
    """Only that part: no RecursionError, no OverflowError, and no number that a rule cannot print."""
    facts = facts_of(replaced(recorded("bare-debian-12"), part, content))
    assert [unknown.part for unknown in facts.unknown] == [part]


@pytest.mark.parametrize("moment", ["1e999", "nan", "1e300", "9" * 5000])
def test_an_impossible_clock_is_an_error_of_the_host(recorded: Recorded, moment: str) -> None:
    """The clock is no part that may be unknown."""
    with pytest.raises(HostError, match="node-1: the facts script printed no valid identity or time"):
        parse(replaced(recorded("bare-debian-12"), "begin", moment), "node-1", sent=0, received=0)


@pytest.mark.parametrize("part", ["sockets", "packages", "iptables", "images"])
def test_a_part_of_millions_of_lines_is_unknown(recorded: Recorded, part: str) -> None:
    """As objects, its lines need fifty times their size."""
    facts = facts_of(replaced(recorded("bare-debian-12"), part, "a b\n" * 300_001 + "c"))
    assert [(unknown.part, unknown.reason) for unknown in facts.unknown] == [
        (part, "the host printed 300,001 lines, and sixstack reads 300,000")
    ]


def test_sections_are_split_at_whole_lines() -> None:
    """CR LF is a line end too, and a part that comes twice is one part."""
    text = f"banner\n{MARKER}a \r\none\r\ntwo\r\n x{MARKER}no\n{MARKER}b\n\n{MARKER}a\nthree\n"
    assert sections_of(text) == {"a": f"one\ntwo\n x{MARKER}no\nthree", "b": ""}


def test_a_rule_of_iptables_that_ends_early_makes_the_part_unknown(recorded: Recorded) -> None:
    """The parser reads it in a generator, which turns StopIteration into RuntimeError."""
    facts = facts_of(replaced(recorded("bare-debian-12"), "iptables", "family ip\n*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j"))
    assert [unknown.part for unknown in facts.unknown] == ["iptables"]
