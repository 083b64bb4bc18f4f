"""Image repository, mirrors and certificate authorities."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.cluster.rules.conftest import Check
from tests.issued_certificates import with_version


@cache
def certificate() -> str:
    """A certificate authority, as PEM."""
    key, name = Ed25519PrivateKey.generate(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mirror")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
    return builder.sign(key, None).public_bytes(Encoding.PEM).decode()


class TestMalformedImageRepository:
    """malformed-image-repository."""

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "https://registry.k8s.io",
            "registry.k8s.io/",
            "Registry/x",
            "registry:x/y",
            "a b",
            "fd66::1/k8s",
            "fd66::1",
            "a/b..c",
            "a//b",
            "[::ffff:10.0.0.1]/k8s",
        ],
    )
    def test_other_texts_are_refused(self, check: Check, text: str) -> None:
        """An image reference has no scheme."""
        assert ("malformed-image-repository", "images.repository") in check({"images.repository": text})

    @pytest.mark.parametrize("text", ["registry.k8s.io", "registry.example.org:5000/k8s/v1", "[fd66::5]:5000/k8s"])
    def test_registries_are_accepted(self, check: Check, text: str) -> None:
        """With port and path."""
        assert check({"images.repository": text}) == {}

    @pytest.mark.parametrize(
        ("text", "spellings"),
        [
            ("fd66::1/k8s", ["[fd66::1]/k8s"]),
            ("fd66::1:5000/k8s", ["[fd66::1]:5000/k8s", "[fd66::1:5000]/k8s"]),
            ("fd66::1:50000", ["[fd66::1]:50000"]),
        ],
    )
    def test_an_ipv6_address_without_brackets_gets_its_brackets(self, check: Check, text: str, spellings: list[str]) -> None:
        """kubeadm refuses it without brackets. The spellings of the hint are accepted."""
        hint = check({"images.repository": text})["malformed-image-repository", "images.repository"].hint
        assert hint.removeprefix("write ").split(" or ") == spellings
        assert all(check({"images.repository": spelling}) == {} for spelling in spellings)


class TestMalformedMirror:
    """malformed-mirror."""

    @pytest.mark.parametrize(
        "mirrors",
        [
            {"docker.io": ["mirror"]},
            {"https://docker.io": ["https://m"]},
            {"docker.io": ["ftp://m"]},
            {"docker.io": ["https://"]},
            {"fd66::1:5000": ["https://m"]},
            {"fd66::1": ["https://m"]},
            {"index.docker.io": ["https://m"]},
            {"docker.io": ["https://m/v2?ns=x"]},
            {"docker.io": ["https://m#x"]},
            {"docker.io": ["HTTPS://m"]},
            {"docker.io": ["https://m:05000"]},
            {"docker.io": ["https://fd66::5:5000"]},
        ],
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

    @pytest.mark.parametrize("path", ["/docker-hub", "/docker-hub/", "/a/b"])
    def test_a_path_that_does_not_name_the_api_is_refused_with_both_spellings(self, check: Check, path: str) -> None:
        """containerd appends /v2, and Harbor has its projects behind it."""
        at = "images.mirrors.quay-io[0]"
        hint = check({"images.mirrors": {"quay-io": [f"https://m.example.org{path}"]}})["malformed-mirror", at].hint
        bare = path.rstrip("/")
        for url in (f"https://m.example.org{bare}/v2", f"https://m.example.org/v2{bare}"):
            assert url in hint
            assert check({"images.mirrors": {"quay-io": [url]}}) == {}


class TestDuplicateMirror:
    """duplicate-mirror."""

    def test_the_same_url_twice_is_refused(self, check: Check) -> None:
        """TOML has no table twice, and containerd ignores a file that it cannot read."""
        mirrors = {"docker.io": ["https://a.example.org", "https://b.example.org", "https://a.example.org"]}
        assert [code for code, _ in check({"images.mirrors": mirrors})] == ["duplicate-mirror"]
        assert check({"images.mirrors": {"docker.io": ["https://a.example.org"], "quay.io": ["https://a.example.org"]}}) == {}


class TestMalformedCa:
    """malformed-ca."""

    def test_certificates_are_accepted(self, check: Check) -> None:
        """One or several, for a mirror or a registry, over several lines of the file."""
        pem = certificate()
        assert check({"images.ca": {"registry.example.org:5000": pem, "[fd66::5]:5000": pem + pem}}) == {}

    @pytest.mark.parametrize("pem", ["x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "/etc/ssl/certs/ca.crt"])
    def test_other_texts_are_refused(self, check: Check, pem: str) -> None:
        """containerd refuses every pull with an authority that it cannot read."""
        assert [code for code, _ in check({"images.ca": {"mirror": pem}})] == ["malformed-ca"]

    def test_a_certificate_that_cryptography_refuses_with_an_exception_of_its_own_is_refused(self, check: Check) -> None:
        """InvalidVersion is no ValueError."""
        assert [code for code, _ in check({"images.ca": {"mirror": with_version(certificate(), 9)}})] == ["malformed-ca"]

    def test_a_private_key_is_refused_and_not_repeated(self, check: Check) -> None:
        """An authority's key next to its certificate."""
        pem = certificate() + "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
        (problem,) = check({"images.ca": {"mirror": pem}}).values()
        assert problem.code == "malformed-ca"
        assert "c2VjcmV0" not in str(problem)

    @pytest.mark.parametrize("host", ["https://mirror", "fd66::5:5000", "fd66::5", "mirror/v2", "Mirror"])
    def test_other_hosts_are_refused(self, check: Check, host: str) -> None:
        """HOST[:PORT] as in the URL of the mirror."""
        assert [code for code, _ in check({"images.ca": {host: certificate()}})] == ["malformed-ca"]


class TestCaUnused:
    """ca-unused."""

    @pytest.mark.parametrize("key", ["mirror.example.org:5000", "[fd66:0::5]:5000"])
    def test_an_authority_of_a_mirror_with_http_is_refused(self, check: Check, key: str) -> None:
        """http has no certificate. The spelling of the address does not matter."""
        url = "http://mirror.example.org:5000" if key.startswith("m") else "http://[fd66::5]:5000"
        changes = {"images.mirrors": {"docker.io": [url]}, "images.ca": {key: certificate()}}
        assert [code for code, _ in check(changes)] == ["ca-unused"]
        changes["images.mirrors"] = {"docker.io": [url.replace("http", "https")]}
        assert check(changes) == {}


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
