"""Invariants of all pod network plug-ins, and their leftovers for reset."""

from __future__ import annotations

from pathlib import Path

import pytest

import templates
from cluster.plan.values import FOLDERS
from cluster.pod_networks.plugins import POD_NETWORKS, leftover_values, pod_network
from cluster.pod_networks.protocol import PodNetworkPlugin
from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.families import Family
from cluster.vocabulary.spec import Cni
from tests.cluster.pod_networks.specs import MODES, spec_of

PLUGINS = sorted(POD_NETWORKS.values(), key=lambda plugin: plugin.kind)
INSTALLED = [plugin for plugin in PLUGINS if plugin.template is not None]


def test_every_kind_has_a_plug_in() -> None:
    """A member of CniKind without a line in plugins.py would cause a KeyError."""
    assert set(POD_NETWORKS) == set(CniKind)
    assert pod_network(spec_of("ipv4")) is POD_NETWORKS[Cni().kind]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.kind)
def test_its_settings_are_fields_of_cni(plugin: PodNetworkPlugin) -> None:
    """And what it does with a setting goes with that setting: images have names, a version has a release, a port a default."""
    assert plugin.settings <= set(Cni.model_fields)
    assert ("images" in plugin.settings) == bool(plugin.image_names)
    assert ("version" in plugin.settings) == (plugin.release is not None)
    assert ("vxlan_port" in plugin.settings) == (plugin.default_vxlan_port is not None)
    assert ("files" in plugin.settings) == plugin.from_files
    assert ("network_policy" in plugin.settings) == (plugin.policy is None)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("plugin", INSTALLED, ids=lambda plugin: plugin.kind)
def test_template_and_images_exist(plugin: PodNetworkPlugin, mode: str) -> None:
    """In every stack mode, VXLAN and NAT are about the families in use alone."""
    spec = spec_of(mode, cni={"kind": plugin.kind.value})
    assert plugin.template is not None
    assert (Path(templates.__file__).parent / plugin.template).is_file()
    assert set(plugin.images(spec)) == set(plugin.image_names)
    assert plugin.values(spec)
    assert plugin.vxlan_families(spec) == spec.families
    assert plugin.nat(spec) == dict.fromkeys(spec.families, True)


def test_a_pool_without_tunnel_has_no_vxlan() -> None:
    """VXLAN's rules on kernel and MTU are then about the other family alone."""
    spec = spec_of("dual-stack", cni={"kind": "calico", "pools": {"ipv6": {"encapsulation": "Never"}}})
    assert pod_network(spec).vxlan_families(spec) == (Family.IPV4,)


@pytest.mark.parametrize("cni", [{"kind": "none"}, {"kind": "manifests", "files": ["/a.yaml"], "network_policy": True}])
def test_foreign_networks_have_no_known_features(cni: dict[str, object]) -> None:
    """Except the settings in the file."""
    spec = spec_of("dual-stack", cni=cni)
    plugin = pod_network(spec)
    assert (plugin.vxlan_port(spec), plugin.vxlan_families(spec), plugin.nat(spec), plugin.block_sizes(spec)) == (None, (), {}, {})
    assert plugin.enforces_policy(spec) is cni.get("network_policy")


def test_a_folder_stands_before_its_parent() -> None:
    """Reset removes only empty folders, so inner folders come first."""
    for number, folder in enumerate(FOLDERS):
        assert not any(later.startswith(f"{folder}/") for later in FOLDERS[number:]), folder
    assert len(set(FOLDERS)) == len(FOLDERS)


def test_process_names_have_at_most_15_characters() -> None:
    """/proc/PID/comm has 15 characters, and leftovers go into a shell script unquoted."""
    left = leftover_values()
    assert all(len(name) <= 15 for name in left["processes"])
    for words in left.values():
        assert not any(set(word) & set("'\"\\;&|$`") for word in words)
