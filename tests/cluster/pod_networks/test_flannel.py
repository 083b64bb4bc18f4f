"""flannel's configuration, and the pods' MTU where flannel would choose one that is too large."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cluster.facts.host_facts import HostFacts
from cluster.plan.resolution import resolve
from cluster.pod_networks.flannel import Flannel
from tests.cluster.pod_networks.specs import spec_of

Make = Callable[..., Any]
FLANNEL = Flannel()


def facts_of(some_facts: Make, *mtus: int) -> dict[str, HostFacts]:
    """Hosts with links of these MTUs."""
    found = [some_facts(number) for number in range(1, len(mtus) + 1)]
    return {
        facts.host: replace(facts, links=tuple(replace(link, mtu=mtu) for link in facts.links))
        for facts, mtu in zip(found, mtus, strict=True)
    }


def test_with_ipv6_it_is_the_smallest_links_less_70(a_spec: Make, some_facts: Make) -> None:
    """One MTU for the cluster: what each link carries."""
    assert resolve(a_spec(), facts_of(some_facts, 1500, 1500)).cni.mtu == 1430
    assert resolve(a_spec(), facts_of(some_facts, 9000, 1400)).cni.mtu == 1330


@pytest.mark.parametrize("cni", [{"kind": "calico"}, {"kind": "none"}, {"kind": "flannel", "mtu": 1300}])
def test_other_plug_ins_and_the_files_own_word_stay(a_spec: Make, some_facts: Make, cni: dict[str, Any]) -> None:
    """Calico counts right by itself, and a person may know better."""
    assert resolve(a_spec(cni=cni), facts_of(some_facts, 1500, 1500)).cni.mtu == cni.get("mtu")


def test_ipv4_alone_is_left_to_flannel(a_spec: Make, some_facts: Make) -> None:
    """50 bytes are what VXLAN over IPv4 takes."""
    network = {"pods": [{"cidr": "10.244.0.0/16"}], "services": ["10.96.0.0/16"]}
    assert resolve(a_spec(stack="ipv4", network=network), facts_of(some_facts, 1500, 1500)).cni.mtu is None


@pytest.mark.parametrize(("mode", "families"), [("ipv4", [4]), ("dual-stack", [4, 6]), ("dual-stack-ipv6-first", [4, 6]), ("ipv6", [6])])
def test_only_the_families_in_use_are_on(mode: str, families: list[int]) -> None:
    """IPv4 is flannel's default and must be switched off where it is not wanted."""
    config = FLANNEL.network_config(spec_of(mode))
    assert [config["EnableIPv4"], config["EnableIPv6"]] == [4 in families, 6 in families]
    assert config.get("Network") == ("10.244.0.0/16" if 4 in families else None)
    assert config.get("IPv6Network") == ("fd44::/56" if 6 in families else None)


def test_rules_are_written_by_the_program_that_kube_proxy_uses() -> None:
    """nftables by default, iptables when the file says so."""
    assert FLANNEL.network_config(spec_of("ipv4"))["EnableNFTables"] is True
    assert FLANNEL.network_config(spec_of("ipv4", kubeadm={"kube_proxy": {"mode": "iptables"}}))["EnableNFTables"] is False
