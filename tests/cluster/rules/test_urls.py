"""URLs: passwords and families."""

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
