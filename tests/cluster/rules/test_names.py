"""Names of hosts and domains."""

import pytest

from tests.cluster.rules.conftest import Check


class TestMalformedNodeName:
    """malformed-node-name: a lowercase RFC 1123 subdomain, never an address."""

    @pytest.mark.parametrize("name", ["Node_1", "node-", "-node", "a..b", "node 1", "nöde", "n" * 64, "a." * 40 + "a"])
    def test_other_names_are_refused(self, check: Check, name: str) -> None:
        """Kubernetes would refuse the node or its hostname label."""
        assert ("malformed-node-name", "hosts[1].name") in check({"hosts[1].name": name})

    @pytest.mark.parametrize("name", ["198.18.0.12", "fd66::12", "::1"])
    def test_an_address_is_refused(self, check: Check, name: str) -> None:
        """The hint has the command that finds a node by its address."""
        assert "sixstack node" in check({"hosts[1].name": name})["malformed-node-name", "hosts[1].name"].hint

    def test_the_hint_has_a_valid_name(self, check: Check) -> None:
        """Node_1 becomes node-1."""
        assert "node-1" in check({"hosts[1].name": "Node_1"})["malformed-node-name", "hosts[1].name"].hint

    @pytest.mark.parametrize("name", ["a", "1", "node-2.example.org", "n" * 63])
    def test_host_names_are_accepted(self, check: Check, name: str) -> None:
        """Including fully qualified host names."""
        assert check({"hosts[1].name": name}) == {}


class TestReservedNodeName:
    """reserved-node-name."""

    def test_the_subject_of_cluster_wide_steps_is_no_host_name(self, check: Check) -> None:
        """Plans and records could not tell the host from the cluster."""
        assert set(check({"hosts[1].name": "cluster"})) == {("reserved-node-name", "hosts[1].name")}
        assert check({"hosts[1].name": "cluster-1"}) == {}


class TestDuplicateNodeName:
    """duplicate-node-name."""

    def test_a_duplicate_name_is_refused(self, check: Check) -> None:
        """The problem is at the second host."""
        assert ("duplicate-node-name", "hosts[2].name") in check({"hosts[2].name": "node-2"})

    def test_different_names_are_accepted(self, check: Check) -> None:
        """The valid document has three hosts."""
        assert check() == {}


class TestMalformedDnsDomain:
    """malformed-dns-domain: the syntax of kubeadm."""

    @pytest.mark.parametrize("domain", ["Cluster.Local", "cluster.local.", "", "a_b", "10.0.0.1", "-"])
    def test_other_domains_are_refused(self, check: Check, domain: str) -> None:
        """kubeadm's ValidateDNS1123Subdomain refuses all of these except the address, which no resolver can query."""
        assert ("malformed-dns-domain", "network.dns_domain") in check({"network.dns_domain": domain})

    @pytest.mark.parametrize("domain", ["cluster.local", "k8s.example.org", "local"])
    def test_domains_are_accepted(self, check: Check, domain: str) -> None:
        """Lower case, labels of letters, digits and hyphens."""
        assert check({"network.dns_domain": domain}) == {}


class TestMalformedInterface:
    """malformed-interface: a valid name in Linux."""

    @pytest.mark.parametrize("name", ["", "a b", "eth0/1", "sixteen-letters-", "eth0:1", ".."])
    def test_other_names_are_refused(self, check: Check, name: str) -> None:
        """No link can have such a name. Aliases are not links."""
        assert ("malformed-interface", "hosts[1].interface") in check({"hosts[1].interface": name})

    @pytest.mark.parametrize("name", ["eth0", "enp3s0f1np1", "bond0.100", "br-lan"])
    def test_link_names_are_accepted(self, check: Check, name: str) -> None:
        """Including VLANs and bridges."""
        assert check({"hosts[1].interface": name}) == {}


class TestReservedClusterName:
    """reserved-cluster-name: the audit store has a folder of that name."""

    def test_the_reserved_name_is_refused(self, check: Check) -> None:
        """Records of a cluster named retests would be taken for records of retests."""
        assert ("reserved-cluster-name", "name") in check({"name": "retests"})

    def test_names_that_contain_it_are_accepted(self, check: Check) -> None:
        """Only the whole name is reserved."""
        assert check({"name": "retests-ipv6"}) == {}
