"""The pod network plug-in's settings."""

import pytest


class TestVxlanPortIsNodePort:
    """vxlan-port-is-node-port."""

    def test_a_node_port_is_refused(self, check):
        """A service may take it."""
        assert ("vxlan-port-is-node-port", "cni.vxlan_port") in check({"cni.vxlan_port": 30000})

    @pytest.mark.parametrize("cni", [{"vxlan_port": 4789}, {"kind": "none", "vxlan_port": 30000}])
    def test_other_ports_are_accepted(self, check, cni):
        """Where there is no VXLAN the port says nothing."""
        assert check({"cni": cni}) == {}
