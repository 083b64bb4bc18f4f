"""Remove secrets from text before it is logged, recorded or raised.

Known secrets are found in every encoding (secret_forms.py). Patterns are the second line of defence, for secrets that nobody has announced.

Every pattern takes time that grows with the length of the text and not with its square: a line of 40,000 blanks once took 84 s, and held
Python's interpreter lock meanwhile. So a repetition is bounded ({0,20}), or it gives nothing back (possessive: *+) and begins where no other
attempt can begin: at the beginning of a line, of a word, or behind a keyword.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache, lru_cache

from cluster.vocabulary.secret_forms import PIECE, URL_SAFE, secret_forms

HIDDEN = "***"

# names of fields, flags and variables whose value is a secret
_NAME = (
    r"(?:client-key-data|(?:(?:access|auth|bearer|bootstrap|id|refresh)[_-]?)?token|(?:sudo[_-]?)?password|passwd|passphrase"
    r"|certificate-?key|client[_-]?secret|(?:secret|private|api)[_-]?(?:access[_-]?)?key)"
)
_PREFIX = r"(?:[\w.-]{0,40}[_.-])?"
_VALUE = r"(?:\\{1,3}[\"'][^\"'\n]*+[\"']?|\"(?:[^\"\\\n]|\\.)*+\"?|'[^'\n]*+'?|[^\s,;&\"'(){}\[\]\\]++)"
# the beginning of a word, also behind an escaped line feed, a percent code or a colour code
_START = r"(?:(?<![\w.-])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2})|(?<=\x1b\[0m)|(?<=\x1b\[\dm)|(?<=\x1b\[\d\dm))"

# secrets in the output and files of kubeadm, kubectl, curl and OpenSSH: words of which the text must contain one, pattern, replacement
_PATTERNS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    # a field on a line of its own, with its block of lines (`|` or `>`)
    (
        ("key", "token", "pass", "secret"),
        rf"(?im)^((?P<indent>[ \t]*+)(?:-[ \t]*+)?[\"']?{_PREFIX}{_NAME}[\"']?[ \t]*+:[ \t]*+)"
        r"(?:[|>][-+0-9]{0,3}[ \t]*+$(?:\n(?P=indent)[ \t]++.*+)*+|\S.*+)",
        rf"\1{HIDDEN}",
    ),
    # a field of JSON, also of JSON in a string, and of a mapping in braces
    (
        ("key", "token", "pass", "secret"),
        rf"(?i)((?:[{{,][ \t]{{0,8}}|\\{{0,3}}[\"']){_PREFIX}{_NAME}(?:\\{{0,3}}[\"'])?[ \t]{{0,8}}:[ \t]{{0,8}}(?:\\{{0,3}}[\"'])?)"
        r"(?!null\b|true\b|false\b)"
        r"(?:(?<=\\[\"'])[^\"'\\\n]++|(?<=[^\\]\")(?:[^\"\\\n]|\\.)++|(?<=[^\\]')[^'\n]++|(?<=[ \t:])[^\s,;&\"'(){}\[\]\\]++)",
        rf"\1{HIDDEN}",
    ),
    # NAME=VALUE
    (("key", "token", "pass", "secret"), rf"(?i)(?<![A-Za-z0-9])({_NAME}[\"']?[ \t]{{0,8}}=(?!=)[ \t]{{0,8}}){_VALUE}", rf"\1{HIDDEN}"),
    # --NAME VALUE; a short word is a sentence about the flag
    (
        ("--",),
        rf"(?i)(?<![\w-])(--(?:[a-z0-9]{{1,20}}-){{0,4}}{_NAME}[ \t]{{1,20}})(?!-|[a-z]{{1,5}}\b){_VALUE}",
        rf"\1{HIDDEN}",
    ),
    # kubeadm's certificate key, behind its name and on its own line
    (("certificate",), r"(?i)(certificate[ _-]?key(?:[=:\s\"'\\]{1,40}+n?)[=:\s\"'\\]{0,40}+)[0-9a-f]{64}(?![0-9a-f])", rf"\1{HIDDEN}"),
    ((), r"(?m)^([ \t]*+)[0-9a-f]{64}(?=[ \t\r]*+$)", rf"\1{HIDDEN}"),
    # headers
    (
        ("authorization",),
        r"(?i)(authorization[\"'\\]{0,4}[ \t]{0,8}[:=][\[ \t\"'\\]{0,20})"
        r"(?:(?:basic|bearer|digest|negotiate|token)[ \t]{1,20}[^\s\"'\],\\]++|[^\s\"'\],{}\[\\]{16,}+)",
        rf"\1{HIDDEN}",
    ),
    (("bearer",), r"\b([Bb]earer[ \t]{1,20})(?=[A-Za-z._~+/=-]{0,200}[0-9])[A-Za-z0-9._~+/=-]{12,}+", rf"\1{HIDDEN}"),
    # the password in a URL, and a token as its user; `docker-pullable://IMAGE@sha256:...` is an image
    (("://",), r"(://(?!\[)[^\s/@:\"'<>]{0,256}+:)[^\s/\"'<>]{1,1000}@", rf"\1{HIDDEN}@"),
    (("://",), r"(://)[^\s/@:\"'<>]{20,256}+@(?!sha256:)", rf"\1{HIDDEN}@"),
    # a bootstrap token: [a-z0-9]{6}.[a-z0-9]{16} (kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens)
    ((".",), rf"{_START}[a-z0-9]{{6}}\.[a-z0-9]{{16}}(?![a-z0-9-]|\.[a-z0-9])", HIDDEN),
    # a JSON web token: parts of base64, the first of which begins with '{"', and usually the second
    (
        ("eyj",),
        rf"{_START}eyJ[A-Za-z0-9_-]{{8,}}+\.(?:eyJ[A-Za-z0-9_-]{{5,}}+(?:\.[A-Za-z0-9_-]*+)?|[A-Za-z0-9_-]{{8,}}+\.[A-Za-z0-9_-]{{8,}}+)",
        HIDDEN,
    ),
    # base64 of `-----BEGIN ... PRIVATE KEY-----`, with the lines that follow
    (
        ("ls0tls1crudjti",),
        r"LS0tLS1CRUdJTiB(?:QUklWQVRF|SU0EgUFJJVkFUR|FQyBQUklWQVRF|PUEVOU1NIIFBSSVZBVE|FTkNSWVBURUQg|EU0EgUFJJVkFUR)[A-Za-z0-9+/_=-]*+"
        r"(?:(?:\r?\n|\\n)[ \t]*+[A-Za-z0-9+/=]++(?=[ \t]*+(?:[\r\n]|\\n|\Z)))*+",
        HIDDEN,
    ),
    # the first line of a key without its PEM heading: PKCS#1, PKCS#8, SEC 1, Ed25519, OpenSSH
    (
        ("mii", "mhccaq", "mighagea", "mc4caqa", "b3blbnnza"),
        rf"{_START}(?:MII[A-Za-z0-9+/]{{3}}IBA[AD]|MHcCAQEE|MIGHAgEAM|MC4CAQAwBQYDK2V|b3BlbnNzaC1rZXktdjE)[A-Za-z0-9+/=]*+",
        HIDDEN,
    ),
)
# a full line of PEM, OpenSSH or MIME base64, which has letters of both cases and digits
_KEY_LINE = (
    r"(?m)^([ \t]*+)(?=[^\n]{0,80}?[A-Z])(?=[^\n]{0,80}?[a-z])(?=[^\n]{0,80}?[0-9])[A-Za-z0-9+/]{64}(?:[A-Za-z0-9+/]{6}){0,2}(?=[ \t\r]*+$)"
)
_PEM = r"-----(BEGIN|END) ([A-Z0-9 ]{0,40})-----"
_BASE64_LINE = r"[A-Za-z0-9+/=]{1,200}"
_RUN = r"[A-Za-z0-9+/_=-]{16,}+"

_LONGEST_LINE = 4000  # of a log page
_MOST_KEY_LINES = 400  # an RSA key of 16384 bits has 200


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without `secrets` in any encoding, and without strings that look like keys or tokens."""
    text = _without_keys(_without_known(text, secrets))
    lower = text.lower()
    for words, pattern, replacement in _PATTERNS:
        if not words or any(word in lower for word in words):
            text = _compiled(pattern).sub(replacement, text)
    return text


class RedactedLines:
    """redact() for a stream of lines, which also hides the lines of a private key. `secrets` may grow between two lines."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self._secrets = secrets
        self._key_lines = 0  # since the heading of a key; 0 outside of a key

    def line(self, line: str) -> str:
        """The redacted line, cut to a length that a log page can show."""
        inside = 0 < self._key_lines < _MOST_KEY_LINES
        marks = [mark for mark in _compiled(_PEM).finditer(line) if mark[2].endswith("PRIVATE KEY")]
        if marks:
            self._key_lines = 1 if marks[-1][1] == "BEGIN" else 0
        elif inside:
            self._key_lines += 1
        else:
            self._key_lines = 0
        if inside:
            if not marks:
                return HIDDEN
            line = HIDDEN + line[marks[0].end() :] if marks[0][1] == "END" else line
        cleaned = redact(line, self._secrets)
        more = len(cleaned) - _LONGEST_LINE
        return cleaned if more <= 0 else f"{cleaned[:_LONGEST_LINE]}... ({more} more characters)"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiled on first use: `sixstack check` redacts nothing."""
    return re.compile(pattern)


def _without_known(text: str, secrets: Iterable[str]) -> str:
    whole, pieces = _forms(frozenset(secrets))
    for form in whole:
        text = text.replace(form, HIDDEN)
    return _compiled(_RUN).sub(lambda run: _without_pieces(run[0], pieces), text) if pieces else text


@lru_cache(maxsize=8)
def _forms(secrets: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """The forms of all secrets, and the pieces of keys. They are kept: a log has many lines for the same secrets."""
    forms = [secret_forms(secret) for secret in secrets]
    # longest first: otherwise a part of a secret that contains another secret would remain
    whole = sorted({form for each in forms for form in each.whole}, key=len, reverse=True)
    return tuple(whole), frozenset(piece for each in forms for piece in each.pieces)


def _without_pieces(run: str, pieces: Collection[str]) -> str:
    """A word of base64 characters without its pieces of a key."""
    plain = run.translate(URL_SAFE)
    found = [at for at in range(len(plain) - PIECE + 1) if plain[at : at + PIECE] in pieces]
    if not found:
        return run
    kept: list[str] = []
    end = 0
    for at in found:
        if at > end or not kept:
            kept.append(run[end:at])
        end = at + PIECE
    return HIDDEN.join([*kept, run[end:]])


def _without_keys(text: str) -> str:
    """Text without PEM private keys and their lines; a key that the text cuts off at either end too. Other PEM documents are kept."""
    if "-----" not in text:
        return _compiled(_KEY_LINE).sub(rf"\1{HIDDEN}", text)
    kept: list[str] = []
    opened, end = "", 0  # the label of the open document, and where the text before was dealt with
    for mark in _compiled(_PEM).finditer(text):
        private = mark[2].endswith("PRIVATE KEY")
        if opened.endswith("PRIVATE KEY"):
            if not private or mark[1] == "BEGIN":
                continue
            kept.append(HIDDEN)
            opened, end = "", mark.end()
        elif mark[1] == "BEGIN":
            kept.append(_gap(text[end : mark.start()], opened))
            opened, end = mark[2], mark.start()
        else:
            before = text[end : mark.start()]
            kept.append(_gap(_without_last_lines(before) + HIDDEN if private else before, "" if private else opened or mark[2]))
            opened, end = "", mark.end() if private else mark.start()
    kept.append(HIDDEN if opened.endswith("PRIVATE KEY") else _gap(text[end:], ""))
    return "".join(kept)


def _gap(text: str, document: str) -> str:
    """Text between two marks: the lines of a public document are kept."""
    return text if document else _compiled(_KEY_LINE).sub(rf"\1{HIDDEN}", text)


def _without_last_lines(text: str) -> str:
    """Text without the lines of base64 at its end, which belong to a key whose beginning is cut off."""
    end = len(text)
    while end:
        start = text.rfind("\n", 0, end - 1) + 1
        if not _compiled(_BASE64_LINE).fullmatch(text[start:end].strip()):
            break
        end = start
    return text[:end]
