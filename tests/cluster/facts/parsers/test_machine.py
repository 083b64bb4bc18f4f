"""Parts identity, resources and netfilter."""

from __future__ import annotations

import pytest

from cluster.facts.parsers.machine import identity, kernel_version, resources
from cluster.facts.parsers.netfilter import netfilter
from cluster.vocabulary.families import Family


@pytest.mark.parametrize(
    ("release", "version"),
    [("6.1.0-18-amd64", (6, 1, 0)), ("5.15.0-91-generic", (5, 15, 0)), ("6.8", (6, 8, 0)), ("4.18.0-553.el8_10.x86_64", (4, 18, 0))],
)
def test_kernel_releases_of_distributions_are_read(release: str, version: tuple[int, int, int]) -> None:
    """All of them begin with the version."""
    assert kernel_version(release) == version


def test_a_kernel_without_a_version_is_not_guessed() -> None:
    """ValueError, which becomes an unknown fact."""
    with pytest.raises(ValueError, match="has no version"):
        kernel_version("custom")


def test_architectures_have_the_names_of_bundles() -> None:
    """uname prints aarch64, Go and images use arm64. Other names are unchanged."""
    text = "hostname a\nkernel 6.1.0\nmachine {}\nuid 1000\nproduct-uuid AB-CD\nos 'Some \"OS\"'"
    assert identity(text.format("aarch64")).architecture == "arm64"
    assert identity(text.format("riscv64")).architecture == "riscv64"
    assert not identity(text.format("x86_64")).root
    assert identity(text.format("x86_64")).product_uuid == "ab-cd"


def test_an_operating_system_is_known_by_its_ids() -> None:
    """ID, then ID_LIKE in order, with or without quotes. Older output has neither."""
    text = "hostname a\nkernel 5.14.0\nmachine x86_64\nuid 0\n{}os 'Rocky Linux 9.4'"
    assert identity(text.format('os-id-like "rhel centos fedora"\nos-id rocky\n')).os_ids == ("rocky", "rhel", "centos", "fedora")
    assert identity(text.format("")).os_ids == ()


def test_swap_devices_and_missing_commands_are_listed() -> None:
    """In the order of the output."""
    has = resources("cpus 4\nmemory-kib 2048\nswap /dev/sda2\nswap /swap.img\ndisk-free-kib 10\nmissing ip\nmissing tar")
    assert (has.cpus, has.memory, has.disk_free) == (4, 2048 * 1024, 10240)
    assert (has.swap, has.missing_commands) == (("/dev/sda2", "/swap.img"), ("ip", "tar"))


BOTH = {Family.IPV4: True, Family.IPV6: True}


@pytest.mark.parametrize(
    ("text", "nat", "nftables"),
    [
        ("ipv6 on\nnft works", BOTH, True),
        ("ipv6 on\nconfig known\nconfig CONFIG_NF_TABLES=y\nconfig CONFIG_NF_TABLES_IPV4=y\nconfig CONFIG_NF_TABLES_IPV6=y", BOTH, True),
        ("ipv6 on\nconfig known\nconfig CONFIG_NF_TABLES=m\nconfig CONFIG_NF_TABLES_IPV4=y\nconfig CONFIG_NF_TABLES_IPV6=y\nmodules known\nmodule nf_tables", BOTH, True),
        # built as a module whose package is not installed
        ("ipv6 on\nconfig known\nconfig CONFIG_NF_TABLES=m\nmodules known", {Family.IPV4: False, Family.IPV6: False}, False),
        ("ipv6 on\nconfig known\nconfig CONFIG_NF_TABLES=y\nconfig CONFIG_NF_TABLES_IPV4=y", {Family.IPV4: True, Family.IPV6: False}, True),
        ("ipv6 on\ntables ip nat filter\ntables ip6 filter\nmodules known", {Family.IPV4: True, Family.IPV6: False}, False),
        ("ipv6 on\nmodules known\nmodule ip6table_nat\nmodule iptable_nat", BOTH, False),
        ("ipv6 off\nnft works", {Family.IPV4: True, Family.IPV6: False}, True),
        ("ipv6 on\ntables ip\ntables ip6", {}, None),
        ("ipv6 on\nsymbol nf_tables", BOTH, True),
    ],
    ids=["nft", "built-in", "module", "module-absent", "no-ipv6-tables", "legacy-ipv4", "legacy", "ipv6-off", "no-evidence", "symbols"],
)  # fmt: skip
def test_nat_is_derived_from_the_available_evidence(text: str, nat: dict[Family, bool], nftables: bool | None) -> None:
    """Kernels with built-in options, with modules, minimal ones, and without evidence."""
    found = netfilter(text)
    assert (found.nat, found.nftables) == (nat, nftables)
