"""Name servers, registries and proxies."""

from collections.abc import Mapping

import pytest

from tests.cluster.rules.conftest import Check


class TestUnusableNameServer:
    """unusable-name-server."""

    @pytest.mark.parametrize("address", ["127.0.0.53", "::1", "fe80::1", "0.0.0.0"])
    def test_an_unreachable_name_server_is_refused(self, check: Check, address: str) -> None:
        """Loopback is CoreDNS itself."""
        assert ("unusable-name-server", "network.dns_upstreams[0]") in check({"network.dns_upstreams": [address]})

    def test_link_local_ipv4_is_accepted(self, check: Check) -> None:
        """Clouds have their resolver at 169.254.169.253, which pods reach through the host."""
        assert check({"network.dns_upstreams": ["169.254.169.253", "2001:db8::53"]}) == {}


class TestNameServerFamily:
    """name-server-family."""

    def test_an_ipv4_server_in_an_ipv6_cluster_is_refused(self, check: Check) -> None:
        """Pods without IPv4 cannot reach it (coredns#2087)."""
        assert ("name-server-family", "network.dns_upstreams[0]") in check({"network.dns_upstreams": ["9.9.9.9"]}, stack="ipv6")

    def test_an_ipv6_server_is_accepted(self, check: Check) -> None:
        """Pods reach it."""
        assert check({"network.dns_upstreams": ["2620:fe::fe"]}, stack="ipv6") == {}


class TestMalformedImageRepository:
    """malformed-image-repository."""

    @pytest.mark.parametrize("text", ["", "https://registry.k8s.io", "registry.k8s.io/", "Registry/x", "registry:x/y", "a b"])
    def test_other_texts_are_refused(self, check: Check, text: str) -> None:
        """An image reference has no scheme."""
        assert ("malformed-image-repository", "images.repository") in check({"images.repository": text})

    @pytest.mark.parametrize("text", ["registry.k8s.io", "registry.example.org:5000/k8s/v1", "[fd66::5]:5000/k8s"])
    def test_registries_are_accepted(self, check: Check, text: str) -> None:
        """With port and path."""
        assert check({"images.repository": text}) == {}


class TestMalformedMirror:
    """malformed-mirror."""

    @pytest.mark.parametrize(
        "mirrors",
        [{"docker.io": ["mirror"]}, {"https://docker.io": ["https://m"]}, {"docker.io": ["ftp://m"]}, {"docker.io": ["https://"]}],
    )
    def test_other_texts_are_refused(self, check: Check, mirrors: Mapping[str, list[str]]) -> None:
        """Registries have no scheme, mirrors have one."""
        assert {code for code, _ in check({"images.mirrors": mirrors})} == {"malformed-mirror"}

    def test_urls_are_accepted(self, check: Check) -> None:
        """IPv6 in brackets."""
        assert (
            check({"images.mirrors": {"docker.io": ["https://mirror.example.org/v2", "http://[fd66::5]:5000"], "_default": ["https://m"]}})
            == {}
        )


class TestMalformedProxy:
    """malformed-proxy."""

    @pytest.mark.parametrize(
        "proxy",
        [{"http": "proxy:3128"}, {"https": "socks5://p"}, {"no_proxy": ["a,b"]}, {"http": "http://p:99999"}, {"http": "http://[fd66::1"}],
    )
    def test_other_texts_are_refused(self, check: Check, proxy: Mapping[str, str | list[str]]) -> None:
        """URLs need a scheme; `no_proxy` has one exception per item."""
        assert {code for code, _ in check({"proxy": proxy})} == {"malformed-proxy"}

    def test_urls_are_accepted(self, check: Check) -> None:
        """IPv6 in brackets. Exceptions are names, addresses and CIDRs."""
        proxy = {
            "http": "http://[fd66::5]:3128",
            "https": "http://proxy.example.org:3128",
            "no_proxy": [".example.org", "10.0.0.0/8", "fd66::/64"],
        }
        assert check({"proxy": proxy}) == {}


class TestSecretInFile:
    """secret-in-file."""

    def test_a_password_in_a_url_is_refused_and_not_repeated(self, check: Check) -> None:
        """A cluster file becomes flow parameters, which the UI shows."""
        problem = check({"proxy.http": "http://me:hunter2@proxy:3128"})["secret-in-file", "proxy.http"]
        assert "hunter2" not in str(problem)

    def test_an_at_sign_in_a_path_is_accepted(self, check: Check) -> None:
        """Only the part before the host is a login."""
        assert check({"images.mirrors": {"docker.io": ["https://mirror/a@b"]}}) == {}


class TestUrlFamily:
    """url-family."""

    def test_an_ipv4_proxy_of_ipv6_hosts_is_refused(self, check: Check) -> None:
        """IPv6-only hosts cannot reach IPv4."""
        assert ("url-family", "proxy.http") in check({"proxy.http": "http://203.0.113.1:3128"}, stack="ipv6")

    def test_an_ipv6_proxy_is_accepted(self, check: Check) -> None:
        """IPv6-only hosts can reach IPv6."""
        assert check({"proxy.http": "http://[2001:db8::1]:3128"}, stack="ipv6") == {}

    def test_an_ipv4_mapped_address_is_ipv4(self, check: Check) -> None:
        """containerd converts it."""
        assert ("url-family", "proxy.http") in check({"proxy.http": "http://[::ffff:192.0.2.1]:3128"}, stack="ipv6")
        assert check({"proxy.http": "http://[::ffff:192.0.2.1]:3128"}, stack="ipv4") == {}


class TestUnusableUrlAddress:
    """unusable-url-address."""

    @pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "224.0.0.1", "[ff02::1]", "[fe80::1]", "255.255.255.255"])
    def test_an_address_that_no_server_has_is_refused(self, check: Check, host: str) -> None:
        """In a proxy and in a mirror."""
        changes = {"proxy.http": f"http://{host}:3128", "images.mirrors": {"localhost": [f"http://{host}:5000"]}}
        assert {("unusable-url-address", "proxy.http"), ("unusable-url-address", "images.mirrors.localhost[0]")} <= set(check(changes))

    @pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.1.1", "203.0.113.1"])
    def test_a_server_on_the_host_itself_is_accepted(self, check: Check, host: str) -> None:
        """Each host may have its own."""
        assert check({"proxy.http": f"http://{host}:3128"}) == {}


class TestRegistryWithoutIpv6:
    """registry-without-ipv6: a warning."""

    def test_a_registry_without_ipv6_gives_a_warning(self, check: Check) -> None:
        """Only a warning, because the bundle can contain all images."""
        assert (
            check({"images.repository": "ghcr.io/example"}, stack="ipv6")["registry-without-ipv6", "images.repository"].severity
            == "warning"
        )

    def test_a_mirror_removes_the_warning(self, check: Check) -> None:
        """The hosts pull from the mirror."""
        changes = {"images.repository": "ghcr.io/example", "images.mirrors": {"ghcr.io": ["https://mirror.example.org"]}}
        assert check(changes, stack="ipv6") == {}
