"""flannel's configuration, and the pod MTU that corrects flannel's default."""

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


def test_with_ipv6_the_mtu_is_the_smallest_link_mtu_minus_70(a_spec: Make, some_facts: Make) -> None:
    """One MTU for the whole cluster."""
    assert resolve(a_spec(), facts_of(some_facts, 1500, 1500)).cni.mtu == 1430
    assert resolve(a_spec(), facts_of(some_facts, 9000, 1400)).cni.mtu == 1330


@pytest.mark.parametrize("cni", [{"kind": "calico"}, {"kind": "none"}, {"kind": "flannel", "mtu": 1300}])
def test_other_plug_ins_and_the_mtu_of_the_file_are_unchanged(a_spec: Make, some_facts: Make, cni: dict[str, Any]) -> None:
    """Calico's default is correct, and the file takes precedence."""
    assert resolve(a_spec(cni=cni), facts_of(some_facts, 1500, 1500)).cni.mtu == cni.get("mtu")


def test_flannel_chooses_the_mtu_in_ipv4(a_spec: Make, some_facts: Make) -> None:
    """VXLAN over IPv4 needs 50 bytes, as flannel assumes."""
    network = {"pods": [{"cidr": "10.244.0.0/16"}], "services": ["10.96.0.0/16"]}
    assert resolve(a_spec(stack="ipv4", network=network), facts_of(some_facts, 1500, 1500)).cni.mtu is None


@pytest.mark.parametrize(("mode", "families"), [("ipv4", [4]), ("dual-stack", [4, 6]), ("dual-stack-ipv6-first", [4, 6]), ("ipv6", [6])])
def test_only_families_in_use_are_enabled(mode: str, families: list[int]) -> None:
    """IPv4 is flannel's default and must be disabled in IPv6-only."""
    config = FLANNEL.network_config(spec_of(mode))
    assert [config["EnableIPv4"], config["EnableIPv6"]] == [4 in families, 6 in families]
    assert config.get("Network") == ("10.244.0.0/16" if 4 in families else None)
    assert config.get("IPv6Network") == ("fd44::/56" if 6 in families else None)


def test_the_packet_filter_is_the_one_of_kube_proxy() -> None:
    """nftables by default, iptables if the file has it."""
    assert FLANNEL.network_config(spec_of("ipv4"))["EnableNFTables"] is True
    assert FLANNEL.network_config(spec_of("ipv4", kubeadm={"kube_proxy": {"mode": "iptables"}}))["EnableNFTables"] is False
