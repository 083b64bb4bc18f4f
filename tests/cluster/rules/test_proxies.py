"""The HTTP proxy and its exceptions."""

from collections.abc import Mapping

import pytest

from tests.cluster.rules.conftest import Check


class TestMalformedProxy:
    """malformed-proxy."""

    @pytest.mark.parametrize(
        "proxy",
        [
            {"http": "proxy:3128"},
            {"https": "socks5://p"},
            {"no_proxy": ["a,b"]},
            {"http": "http://p:99999"},
            {"http": "http://[fd66::1"},
            {"http": "http://p:"},
            {"http": "http://p:3128/?a"},
            {"https": "HTTP://p:3128"},
        ],
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

    @pytest.mark.parametrize(
        ("url", "spellings"),
        [
            ("http://2001:db8:1::5:3128", ["http://[2001:db8:1::5]:3128", "http://[2001:db8:1::5:3128]"]),
            ("http://2001:db8:1::5", ["http://[2001:db8:1::5]"]),
            ("http://2001:db8:1::5:31280/x", ["http://[2001:db8:1::5]:31280/x"]),
        ],
    )
    def test_an_ipv6_address_without_brackets_gets_its_brackets(self, check: Check, url: str, spellings: list[str]) -> None:
        """Both readings, where there are two."""
        hint = check({"proxy.http": url})["malformed-proxy", "proxy.http"].hint
        assert all(spelling in hint for spelling in spellings)
        assert check({"proxy.http": spellings[0]}) == {}

    @pytest.mark.parametrize(
        ("item", "instead"),
        [
            ("[2001:db8:1::50]", "2001:db8:1::50"),
            ("2001:db8:1::/129", "0 to 128"),
            ("10.0.0.0/33", "0 to 32"),
            ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
            ("10.0.0.0/08", "10.0.0.0/8"),
            ("10.1.*", "10.1.0.0/16"),
            ("10.1.2.*", "10.1.2.0/24"),
            ("10.*.*.*", "10.0.0.0/8"),
            ("10.1.", "10.1.0.0/16"),
            ("2001:db8:1::50:8080", "[2001:db8:1::50]:8080"),
            ("2001:db8:1::50:18080", "[2001:db8:1::50]:18080"),
            ("http://registry.example.org", ""),
            ("10.0.0.0/8:443", ""),
            ("registry.example.org/path", ""),
            ("registry.example.org:0443", "port"),
            ("registry.example.org:", "port"),
            ("[2001:db8::1]:", "port"),
            ("[10.0.0.1]:80", "port"),
            ("*example.org", ""),
            ("a.*.example.org", ""),
            ("example.org.", ""),
            ("10.1.2.300", ""),
            ("fe80::1%eth0", ""),
            (".", ""),
            ("*.", ""),
            ("..example.org", ""),
            ("", ""),
            ("a b", ""),
        ],
    )
    def test_an_exception_that_matches_nothing_is_refused(self, check: Check, item: str, instead: str) -> None:
        """Go's httpproxy ignores it, and the host sends the request to the proxy."""
        problem = check({"proxy.no_proxy": [item]})["malformed-proxy", "proxy.no_proxy[0]"]
        assert instead in problem.hint

    @pytest.mark.parametrize(
        "item",
        [
            "*",
            "example.org",
            ".example.org",
            "*.example.org",
            "Example.org:8443",
            "my_host",
            "10.0.0.1",
            "10.0.0.1:8080",
            "10.0.0.0/8",
            "10.1.2.3/8",
            "0.0.0.0/0",
            "2001:db8:1::50",
            "[2001:db8:1::50]:8080",
            "2001:db8:1::/48",
            "2001:db8::1/32",
            "::/0",
        ],
    )
    def test_an_exception_that_matches_is_accepted(self, check: Check, item: str) -> None:
        """Names with and without subdomains, addresses and CIDRs, also with host bits."""
        assert check({"proxy.no_proxy": [item]}) == {}
