"""Names of hosts and domains."""

import pytest

from tests.cluster.rules.conftest import Check


class TestMalformedNodeName:
    """malformed-node-name: a lowercase RFC 1123 subdomain, never an address."""

    @pytest.mark.parametrize("name", ["Node_1", "node-", "-node", "a..b", "node 1", "nöde", "n" * 64, "a." * 40 + "a"])
    def test_other_names_are_refused(self, check: Check, name: str) -> None:
        """Kubernetes would refuse the node, or the label that carries its name."""
        assert ("malformed-node-name", "hosts[1].name") in check({"hosts[1].name": name})

    @pytest.mark.parametrize("name", ["198.18.0.12", "fd66::12", "::1"])
    def test_an_address_is_refused(self, check: Check, name: str) -> None:
        """A node is named as its host; the hint says how a node is found by address."""
        assert "sixstack node" in check({"hosts[1].name": name})["malformed-node-name", "hosts[1].name"].hint

    def test_a_near_miss_gets_a_proposal(self, check: Check) -> None:
        """Node_1 becomes node-1."""
        assert "node-1" in check({"hosts[1].name": "Node_1"})["malformed-node-name", "hosts[1].name"].hint

    @pytest.mark.parametrize("name", ["a", "1", "node-2.example.org", "n" * 63])
    def test_host_names_are_accepted(self, check: Check, name: str) -> None:
        """A fully qualified host name is fine."""
        assert check({"hosts[1].name": name}) == {}


class TestDuplicateNodeName:
    """duplicate-node-name: one host once."""

    def test_a_name_twice_is_refused(self, check: Check) -> None:
        """The second host is at fault."""
        assert ("duplicate-node-name", "hosts[2].name") in check({"hosts[2].name": "node-2"})

    def test_different_names_are_accepted(self, check: Check) -> None:
        """The good document has three."""
        assert check() == {}


class TestMalformedDnsDomain:
    """malformed-dns-domain: what kubeadm takes."""

    @pytest.mark.parametrize("domain", ["Cluster.Local", "cluster.local.", "", "a_b", "10.0.0.1", "-"])
    def test_other_domains_are_refused(self, check: Check, domain: str) -> None:
        """kubeadm's ValidateDNS1123Subdomain refuses them, save the address, which no resolver would ask for."""
        assert ("malformed-dns-domain", "network.dns_domain") in check({"network.dns_domain": domain})

    @pytest.mark.parametrize("domain", ["cluster.local", "k8s.example.org", "local"])
    def test_domains_are_accepted(self, check: Check, domain: str) -> None:
        """Lower case, labels of letters, digits and hyphens."""
        assert check({"network.dns_domain": domain}) == {}


class TestMalformedInterface:
    """malformed-interface: a name that Linux takes."""

    @pytest.mark.parametrize("name", ["", "a b", "eth0/1", "sixteen-letters-", "eth0:1", ".."])
    def test_other_names_are_refused(self, check: Check, name: str) -> None:
        """No link can have such a name; an alias is no link."""
        assert ("malformed-interface", "hosts[1].interface") in check({"hosts[1].interface": name})

    @pytest.mark.parametrize("name", ["eth0", "enp3s0f1np1", "bond0.100", "br-lan"])
    def test_link_names_are_accepted(self, check: Check, name: str) -> None:
        """VLANs and bridges too."""
        assert check({"hosts[1].interface": name}) == {}
