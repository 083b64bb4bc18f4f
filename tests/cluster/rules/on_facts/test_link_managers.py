"""NetworkManager and systemd-networkd on links of pods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cluster.facts.host_facts import LinkFile, LinkManagers
from cluster.facts.parsers.link_managers import link_managers
from cluster.rules.on_facts import check_facts

Make = Callable[..., Any]


def codes(a_spec: Make, some_facts: Make, managers: LinkManagers, cni: str = "flannel") -> list[str]:
    """Codes of the problems of a host with these programs."""
    facts = some_facts(1, link_managers=managers)
    return [
        problem.code for problem in check_facts(a_spec(cni={"kind": cni}), {"node-1": facts}, bundle_architecture="amd64", bundle_size=1)
    ]


@pytest.mark.parametrize(
    ("unmanaged", "cni", "expected"),
    [
        ((), "flannel", ["links-of-pods-managed"]),
        ((), "calico", ["links-of-pods-managed"]),
        (("interface-name:flannel*", "interface-name:cni0", "interface-name:veth*"), "flannel", []),
        (("interface-name:flannel*",), "flannel", ["links-of-pods-managed"]),
        (("interface-name:cali*", "interface-name:vxlan*"), "calico", []),
        (("*", "except:interface-name:eth0"), "calico", []),
        (("mac:52:54:00:00:00:01",), "calico", ["links-of-pods-managed"]),
    ],
)
def test_network_manager_must_leave_links_of_pods_alone(
    a_spec: Make, some_facts: Make, unmanaged: tuple[str, ...], cni: str, expected: list[str]
) -> None:
    """A warning with the lines to write (rke2#786). Nothing where NetworkManager does not run."""
    assert codes(a_spec, some_facts, LinkManagers(network_manager=True, nm_unmanaged=unmanaged), cni) == expected
    assert codes(a_spec, some_facts, LinkManagers(nm_unmanaged=unmanaged), cni) == []


@pytest.mark.parametrize(
    ("matches", "expected"),
    [
        ((("Name", "*"),), ["links-of-pods-managed"]),
        ((("Type", "ether"),), ["links-of-pods-managed"]),
        ((("Name", "eth* en*"),), []),
        ((("Name", "!lo"),), ["links-of-pods-managed"]),
        ((("Type", "ether"), ("Kind", "!*")), []),
        ((("Name", "ve-*"), ("Driver", "veth")), []),
        ((("MACAddress", "52:54:00:00:00:01"),), []),
        ((), []),
    ],
)
def test_a_file_of_networkd_must_not_match_links_of_pods(
    a_spec: Make, some_facts: Make, matches: tuple[tuple[str, str], ...], expected: list[str]
) -> None:
    """The first file that matches counts: one with Unmanaged=yes before it is the remedy."""
    file = LinkFile("/etc/systemd/network/99-all.network", matches)
    assert codes(a_spec, some_facts, LinkManagers(networkd=True, networkd_files=(file,))) == expected
    assert codes(a_spec, some_facts, LinkManagers(networkd_files=(file,))) == []
    remedy = LinkFile("/etc/systemd/network/05-pods.network", (("Name", "flannel* cni0 veth*"),), unmanaged=True)
    assert codes(a_spec, some_facts, LinkManagers(networkd=True, networkd_files=(remedy, file))) == []


def test_the_files_of_both_programs_are_read() -> None:
    """Later values of unmanaged-devices replace or extend earlier ones; files of networkd are sorted by name, and hide each other."""
    found = link_managers(
        "/usr/lib/NetworkManager/conf.d/10-a.conf:[keyfile]\n"
        "/usr/lib/NetworkManager/conf.d/10-a.conf:unmanaged-devices=*,except:type:wifi\n"
        "/etc/NetworkManager/conf.d/k8s.conf:[keyfile]\n"
        "/etc/NetworkManager/conf.d/k8s.conf:unmanaged-devices=interface-name:cali*;interface-name:tunl*\n"
        "/etc/NetworkManager/conf.d/l.conf:[keyfile]\n"
        "/etc/NetworkManager/conf.d/l.conf:unmanaged-devices+=interface-name:cni0\n"
        "/etc/NetworkManager/conf.d/m.conf:[device-flannel]\n"
        "/etc/NetworkManager/conf.d/m.conf:match-device=interface-name:flannel*\n"
        "/etc/NetworkManager/conf.d/m.conf:managed=0\n"
        "network-file /etc/systemd/network/20-b.network\n"
        "network-file /etc/systemd/network/05-x.network\n"
        "network-file /usr/lib/systemd/network/20-b.network\n"
        "/etc/systemd/network/20-b.network:[Match]\n"
        "/etc/systemd/network/20-b.network:Name=eth0 \n"
        "/etc/systemd/network/05-x.network:[Match]\n"
        "/etc/systemd/network/05-x.network: Name = cali* cni0\n"
        "/etc/systemd/network/05-x.network:[Link]\n"
        "/etc/systemd/network/05-x.network:Unmanaged=yes\n"
        "/usr/lib/systemd/network/20-b.network:[Match]\n"
        "/usr/lib/systemd/network/20-b.network:Name=*\n"
    )
    assert found == LinkManagers(
        nm_unmanaged=("interface-name:cali*", "interface-name:tunl*", "interface-name:cni0", "interface-name:flannel*"),
        networkd_files=(
            LinkFile("/etc/systemd/network/05-x.network", (("Name", "cali* cni0"),), unmanaged=True),
            LinkFile("/etc/systemd/network/20-b.network", (("Name", "eth0"),)),
        ),
    )
