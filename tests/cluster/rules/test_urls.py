"""URLs: passwords and families."""

import pytest

from tests.cluster.rules.conftest import Check


class TestSecretInFile:
    """secret-in-file."""

    def test_a_password_in_a_url_is_refused_and_not_repeated(self, check: Check) -> None:
        """A cluster file becomes flow parameters, which the UI shows."""
        problem = check({"proxy.http": "http://me:hunter2@proxy:3128"})["secret-in-file", "proxy.http"]
        assert "hunter2" not in str(problem)

    def test_an_at_sign_in_a_path_is_accepted(self, check: Check) -> None:
        """Only the part before the host is a login."""
        assert check({"images.mirrors": {"docker.io": ["https://mirror/v2/a@b"]}}) == {}


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

    def test_it_is_one_problem_whatever_the_family(self, check: Check) -> None:
        """Another address is needed in any case."""
        found = check({"proxy.http": "http://0.0.0.0:3128"}, stack="ipv6", primary="ipv6")
        assert list(found) == [("unusable-url-address", "proxy.http")]

    @pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.1.1", "203.0.113.1"])
    def test_a_server_on_the_host_itself_is_accepted(self, check: Check, host: str) -> None:
        """Each host may have its own."""
        assert check({"proxy.http": f"http://{host}:3128"}) == {}
