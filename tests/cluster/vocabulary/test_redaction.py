"""Redaction removes all secrets and nothing else."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.vocabulary.redaction import HIDDEN, redact

TOKEN = "abcdef.0123456789abcdef"
HEX = "0123456789abcdef" * 4


@given(st.text(), st.text(), st.lists(st.text(min_size=4, max_size=30), min_size=1, max_size=4))
def test_given_secrets_are_removed_everywhere(before: str, after: str, secrets: list[str]) -> None:
    """Next to anything, overlapping, one inside the other."""
    secrets = [secret for secret in secrets if not set(secret) & set(HIDDEN)]
    cleaned = redact(before + "".join(secrets) + after, secrets)
    assert not any(secret in cleaned.replace(HIDDEN, "\0") for secret in secrets)


def test_every_line_of_a_secret_of_several_lines_is_hidden(tmp_path: Path) -> None:
    """A private key that a program prints line by line, indented or cut."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    secret = key.read_text()
    lines = secret.splitlines()
    cleaned = redact(f"line: {lines[1]}\n  {lines[2]}\n", [secret])
    assert lines[1] not in cleaned
    assert lines[2] not in cleaned


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"kubeadm join h:6443 --token {TOKEN} --discovery-token-ca-cert-hash sha256:{HEX}", TOKEN),
        (f"token={TOKEN}, next", TOKEN),
        (f"    client-key-data: {base64.b64encode(b'key' * 30).decode()}\n", base64.b64encode(b"key" * 30).decode()),
        ('{"client-key-data": "c2VjcmV0LWtleQ=="}', "c2VjcmV0LWtleQ=="),
        ("  token: opaque-words\n", "opaque-words"),
        (f"--certificate-key {HEX}", HEX),
        (f"certificateKey: {HEX}", HEX),
        (f"[upload-certs] Using certificate key:\n{HEX}\n", HEX),
        ("Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----\nafter", "MIIabc"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNza\n(cut here)", "b3BlbnNza"),
    ],
)
def test_secrets_of_kubernetes_and_ssh_are_recognised(text: str, secret: str) -> None:
    """Bootstrap tokens, kubeconfig keys, certificate keys, web tokens, private keys, cut ones too."""
    assert secret in text
    assert secret not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        f"discovery-token-ca-cert-hash sha256:{HEX}",
        "node worker-1 has 198.18.0.11 and fd66::11, kubelet v1.36.3",
        "server: https://[fd66::11]:6443",
        "certificate-authority-data: LS0tLS1CRUdJTg==",
        "token:\n  kind: x",
        "registry.k8s.io/etcd:3.6.8-0",
        f"{HEX}  /usr/local/bin/kubeadm",
        "-----BEGIN CERTIFICATE-----\nMIIabc\n-----END CERTIFICATE-----",
    ],
)
def test_other_text_is_kept(text: str) -> None:
    """Digests, addresses, versions and certificates."""
    assert redact(text) == text


def test_text_after_a_hidden_key_is_kept() -> None:
    """Only the key goes."""
    assert redact("a\n-----BEGIN EC PRIVATE KEY-----\nx\n-----END EC PRIVATE KEY-----\nb") == f"a\n{HIDDEN}\nb"
