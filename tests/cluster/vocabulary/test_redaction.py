"""Redaction removes all secrets and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
import subprocess
import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.vocabulary.redaction import HIDDEN, RedactedLines, redact
from tests.linear_time import assert_linear

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


# a private key of the form that kubeadm writes; the test needs its form only
BODY = [base64.b64encode(hashlib.sha512(bytes([number])).digest()[:48]).decode() for number in range(12)]
KEY = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *BODY, "c2hvcnQgbGFzdCBsaW5l", "-----END RSA PRIVATE KEY-----", ""])
DATA = base64.b64encode(KEY.encode()).decode()
PASSWORD = "p@ss wörd/&'\"<1>"


def wrapped(text: str, width: int) -> str:
    """`text` in lines, as `base64` writes it."""
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        KEY.replace("\n", "\r\n"),
        KEY.replace("\n", "\n    "),
        KEY.replace("\n", "\n12:00 worker-1 | "),
        "".join(BODY),
        json.dumps({"key": KEY}),
        json.dumps(json.dumps({"key": KEY})),
        repr(KEY),
        quote(KEY),
        quote("".join(BODY), safe=""),
        DATA,
        DATA.rstrip("="),
        wrapped(DATA, 64),
        wrapped(DATA, 76),
        wrapped(DATA, 50),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
        base64.b64encode(DATA.encode()).decode(),
        base64.b64encode(b"users: " + KEY.encode()).decode(),
        base64.b64encode(b"a user: " + KEY.encode()).decode(),
        quote(DATA, safe=""),
        f"while scanning: ... {DATA[100:160]} ...",
        DATA[200:700],
        *(f"client-cert: {line}" for line in BODY[:2]),
    ],
)
@pytest.mark.parametrize("secret", [KEY, DATA], ids=["key", "its base64"])
def test_a_known_key_is_hidden_in_every_encoding(text: str, secret: str) -> None:
    """Of the key and of its base64, no piece of 16 characters remains."""
    pieces = [*BODY, DATA, quote(DATA, safe=""), base64.b64encode(DATA.encode()).decode()]
    cleaned = redact(text, [secret])
    assert not any(piece[at : at + 16] in cleaned for piece in pieces for at in range(len(piece) - 15))


@pytest.mark.parametrize(
    "text",
    [
        PASSWORD,
        json.dumps(PASSWORD),
        json.dumps(PASSWORD, ensure_ascii=False),
        json.dumps(PASSWORD).replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e"),
        json.dumps(json.dumps(PASSWORD)),
        repr(PASSWORD),
        quote(PASSWORD),
        quote(PASSWORD, safe=""),
        quote(PASSWORD, safe="").lower(),
        quote_plus(PASSWORD),
        shlex.quote(PASSWORD),
        base64.b64encode(PASSWORD.encode()).decode(),
        base64.b64encode(PASSWORD.encode()).decode().rstrip("="),
        base64.b64encode(PASSWORD.encode() + b"\n").decode(),
        base64.b64encode(f"root:{PASSWORD}".encode()).decode(),
        base64.b64encode(f"admin:{PASSWORD}".encode()).decode(),
        base64.urlsafe_b64encode(PASSWORD.encode()).decode(),
    ],
)
def test_a_known_password_is_hidden_in_every_encoding(text: str) -> None:
    """At most 7 characters of an encoding that continues into its neighbours are left."""
    cleaned = redact(f"before {text} after", [PASSWORD])
    assert HIDDEN in cleaned
    assert len(cleaned.replace(HIDDEN, "").removeprefix("before ").removesuffix(" after")) <= 12
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")


def test_a_stream_of_lines_hides_a_key_that_nobody_knew() -> None:
    """Every line from the first to the last of the key, and no other line."""
    stream = RedactedLines()
    cleaned = [stream.line(line) for line in ["begin", *KEY.splitlines(), "[preflight] Running pre-flight checks"]]
    assert {*cleaned[1:-1]} == {HIDDEN}
    assert (cleaned[0], cleaned[-1]) == ("begin", "[preflight] Running pre-flight checks")


def test_a_stream_of_lines_hides_known_secrets_that_are_added_later() -> None:
    """A step learns its token after its start."""
    secrets: set[str] = set()
    stream = RedactedLines(secrets)
    assert stream.line("with canary-token") == "with canary-token"
    secrets.add("canary-token")
    assert stream.line("with canary-token") == f"with {HIDDEN}"


def test_a_line_of_a_stream_is_bounded() -> None:
    """A log page shows the beginning of it, and says how much was left out."""
    cleaned = RedactedLines().line("ab " * 1_000_000)
    assert len(cleaned) < 5000
    assert cleaned.endswith("... (2996000 more characters)")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"--token {TOKEN}.", "0123456789abcdef"),
        (f"The token is {TOKEN}. Use it soon", "0123456789abcdef"),
        (f'"{TOKEN}"', "0123456789abcdef"),
        (f"a\\n{TOKEN}\\nb", "0123456789abcdef"),
        (f"q=%20{TOKEN}%20", "0123456789abcdef"),
        (f"\x1b[0;32mok\x1b[0m\x1b[32m{TOKEN}\x1b[0m", "0123456789abcdef"),
        ("--token=opaque-words x", "opaque-words"),
        ("curl --access-token opaque-words x", "opaque-words"),
        ("user: {client-certificate-data: YQ==, client-key-data: c2VjcmV0}", "c2VjcmV0"),
        ("{name: a, user: {token: opaque-words}}", "opaque-words"),
        ("client-key-data: |\n  c2VjcmV0\n  bW9yZQ==\nname: a", "bW9yZQ"),
        (f"client-key-data:\n  {wrapped(DATA, 76)}", DATA[100:140]),
        (r"{\"token\":\"opaque-words\"}", "opaque-words"),
        ('{"password" : "opa\\"que-words", "a": 1}', "que-words"),
        ("sudo_password: opaque words", "words"),
        ("password = 'opaque words'", "words"),
        ("DB_PASSWORD=opaque-words", "opaque-words"),
        (f"certificate key: {HEX}", HEX),
        (f"Certificate Key = {HEX}", HEX),
        (f'"certificateKey":"{HEX}"', HEX),
        (f"certificate-key\n  {HEX}", HEX),
        ("Authorization: Basic cm9vdDpodW50ZXIy", "cm9vdDpodW50ZXIy"),
        ("curl -H 'Authorization: Bearer opaque.words'", "opaque.words"),
        ("Authorization:[Bearer opaque.words-1]", "opaque.words-1"),
        ('{"authorization": "Bearer opaque.words"}', "opaque.words"),
        ("sent Bearer sha256~opaquewords12345", "opaquewords12345"),
        ("https://admin:hunter2@registry.example:5000/v2/", "hunter2"),
        ("https://admin:hun@ter2@registry.example/", "ter2"),
        ("proxy http://u:hunter2@[fd66::11]:3128", "hunter2"),
        ("https://ghp0123456789abcdefghij@example.org/a.git", "ghp0123456789abcdefghij"),
        ("GET /v2/?service=x&access_token=opaque-words&y=1", "opaque-words"),
        (DATA, DATA[40:80]),
        (wrapped(DATA, 64), DATA[200:240]),
        (DATA[64:128], DATA[64:128]),
        ("\n".join(BODY), BODY[1]),
        (BODY[3], BODY[3]),
        ("key MIIEpAIBAAKCAQEA0123456789abcdef", "0123456789abcdef"),
        ("cut here\n" + KEY[300:], "c2hvcnQgbGFzdCBsaW5l"),
        (json.dumps({"key": KEY}), BODY[1]),
        (f"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0 cut {TOKEN}", "eyJzdWIiOiJ4In0"),
        ("a\\neyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
    ],
)
def test_spellings_of_unknown_secrets_are_recognised(text: str, secret: str) -> None:
    """The second line of defence: secrets that no step has announced."""
    assert secret in text
    assert secret not in redact(text)


CERTIFICATE = "\n".join(["-----BEGIN CERTIFICATE-----", *(line[::-1] for line in BODY), "-----END CERTIFICATE-----", ""])


@pytest.mark.parametrize(
    "text",
    [
        "[init] Using Kubernetes version: v1.36.3",
        '[certs] Generating "apiserver-kubelet-client" certificate and key',
        '[kubeconfig] Writing "admin.conf" kubeconfig file',
        "[bootstrap-token] Configuring bootstrap tokens, cluster-info ConfigMap, RBAC Roles",
        "[bootstrap-token] Configured RBAC rules to allow Node Bootstrap tokens to post CSRs in order for nodes to get long term certificate credentials",
        "[upload-certs] Skipping phase. Please see --upload-certs",
        "[kubelet-check] The kubelet is healthy after 501.49121ms",
        "[addons] Applied essential addon: CoreDNS",
        "Your Kubernetes control-plane has initialized successfully!",
        "To see the stack trace of this error execute with --v=5 or higher",
        f"  --discovery-token-ca-cert-hash sha256:{HEX} \\",
        f"registry.k8s.io/kube-apiserver@sha256:{HEX}",
        f"docker-pullable://registry.example:5000/pause@sha256:{HEX}",
        f"unpacking registry.k8s.io/etcd:3.6.8-0 (sha256:{HEX})...done",
        f"sha256:{HEX}",
        f"bundle/images/{HEX}.tar",
        "ssh://root@198.18.0.11:22",
        "error: You must be logged in to the server (Unauthorized): invalid token: expired",
        "error execution phase preflight: couldn't validate the identity of the API Server: token id is unknown",
        "authorization:\n  mode: Webhook",
        "--authorization-mode=Node,RBAC --service-account-key-file=/etc/kubernetes/pki/sa.pub",
        "--tls-private-key-file=/etc/kubernetes/pki/apiserver.key --token-ttl=24h0m0s",
        "tokenTTL: 24h0m0s",
        "PasswordAuthentication no",
        "Failed password for root from fd66::11 port 22 ssh2",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8M6tY0b1Q2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f8 root@worker-1",
        "SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg",
        f"certificate-authority-data: {base64.b64encode(CERTIFICATE.encode()).decode()}",
        CERTIFICATE,
        json.dumps({"ca": CERTIFICATE}),
        "Jan 01 worker-1 kubelet[712]: E0101 kuberuntime_manager.go:1234] container=coredns pod=kube-system/coredns-7d764666f9-abcde",
        "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/12/fs/usr/local/bin/kube-controller-manager",
        "f47ac10b-58cc-4372-a567-0e02b2c3d479",
        "step-1.example-cluster-1.sixstack.example.org",
    ],
)
@pytest.mark.parametrize("secrets", [(), (KEY, PASSWORD, TOKEN)], ids=["unknown", "known"])
def test_ordinary_output_is_unchanged(text: str, secrets: tuple[str, ...]) -> None:
    """Output of kubeadm, digests, image references, CA hashes, addresses, certificates."""
    assert redact(text, secrets) == text


KEYS = ("token: ", "password", "client-key-data", "certificate key ", "--token ", "Authorization: ", "Bearer ", "://")


@pytest.mark.parametrize(
    "piece",
    [
        *(" ", "\t", "\n", " \n", "\r\n", "a", "0", "-", ".", "\\", '"', "{", ",", "a.", "=", "/", "*", ":", "é", "\0", "\x1b["),
        *("eyJaaaaaaaa-", "eyJaaaaaaaa.", "aaaaaa.", "-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN CERTIFICATE-----\n", "-----END "),
        *(
            "-----END RSA PRIVATE KEY-----\n",
            "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBL",
            "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBL\n",
            "MIIEpAIBAA",
            HEX,
            HEX + "\n",
        ),
        *KEYS,
        *(key + '"' for key in KEYS),
        *(key + "\n" for key in KEYS),
        *(
            "://a:",
            "://a:b@",
            "a" * 64 + "\n",
            "{a_",
            ", token: ",
            '"token":"\\',
            "token: |\n ",
            BODY[0][:30],
            BODY[0] + "\n",
            DATA[3:22] + " ",
        ),
    ],
)
@pytest.mark.parametrize(
    "before", ["", "client-key-data: ", f"{' '.join(KEYS)} -- MII eyJ certificate LS0tLS1CRUdJTi\n"], ids=["", "key", "all"]
)
def test_time_grows_with_the_length_of_the_text(piece: str, before: str) -> None:
    """A line of 40,000 blanks took 84 s."""
    assert_linear(lambda text: redact(text, [KEY, PASSWORD, TOKEN]), lambda length: before + (piece * length)[:length] + "!", 8_000)


def test_ten_million_characters_take_seconds() -> None:
    """A few hundred nanoseconds for each character at most."""
    start = time.process_time()
    redact(" " * 10_000_000)
    assert time.process_time() - start < 20
