"""Remove secrets from text before it is logged, recorded or raised."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "***"

# secrets in the output and files of kubeadm, kubectl and OpenSSH
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # a private key, even if the recorded text ends inside the key
    (re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    # kubeconfig: client-key-data, and tokens and passwords of users
    (
        re.compile(r"(?im)^([ \t]*-?[ \t]*[\"']?(?:client-key-data|token|password|certificate-?key)[\"']?[ \t]*:[ \t]*)\S.*$"),
        rf"\1{HIDDEN}",
    ),
    # the same inside one line of JSON
    (re.compile(r"(?i)([\"'](?:client-key-data|token|password|certificate-?key)[\"']\s*:\s*)([\"']).*?\2"), rf"\1\2{HIDDEN}\2"),
    # kubeadm's `--certificate-key HEX`, and the key that `upload-certs` prints on its own line
    (re.compile(r"(?i)(certificate-key[=\s]+)[0-9a-f]{64}\b"), rf"\1{HIDDEN}"),
    (re.compile(r"(?m)^(\s*)[0-9a-f]{64}(\s*)$"), rf"\1{HIDDEN}\2"),
    # a bootstrap token: [a-z0-9]{6}.[a-z0-9]{16} (kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens)
    (re.compile(r"(?<![a-z0-9.])[a-z0-9]{6}\.[a-z0-9]{16}(?![a-z0-9.])"), HIDDEN),
    # a JSON web token: three parts, the first of which is the base64 of '{"'
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"), HIDDEN),
)
# a shorter line of a multi-line secret ("}" or "=") would also match harmless text
_SHORTEST_LINE = 8


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without `secrets` (and without each line of multi-line secrets), and without strings that look like keys or tokens."""
    known = set()
    for secret in secrets:
        known.add(secret)
        lines = [line.strip() for line in secret.splitlines()]
        if len(lines) > 1:
            known.update(line for line in lines if len(line) >= _SHORTEST_LINE)
    # longest first: otherwise a part of a secret that contains another secret would remain
    for secret in sorted(known - {""}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
