"""Search files and texts for secrets in every encoding, and markers that prove that a search would find one.

grep does the search: it reads gigabytes of a host's files for thousands of forms at once.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import subprocess
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pyrage
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cluster.vocabulary.secret_forms import PIECE, secret_forms

_PART = PIECE - 4  # a piece that differs from a harmless text in a few characters at one end has a part in common with it
_LONG = 3 * PIECE  # a longer run of base64 is searched in pieces: wherever lines are broken, whole pieces remain
_FEWEST_DIFFERENT = 6  # characters of a piece: `AAAAAAAAAAAAAAAA` is in public documents too
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]+")
_SHORTEST_LINE = 8
# the same in every identity
_RSA_HEAD, _RSA_END = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
_RSA_EXPONENT = "DAQABAoIB0000"  # 65537, and the heading of the number behind it
_IN_EVERY_IDENTITY = "AGE-SECRET-KEY-1"


class Found(NamedTuple):
    """A secret, and the file or text in which it is."""

    kind: str
    where: str


@dataclass(frozen=True)
class Marker:
    """A secret that protects nothing, and a text with one encoding of it."""

    secret: str
    text: str


class SecretSearch:
    """A search for secrets, each under the name of its kind. What also occurs in `public` texts, or in an unrelated key, is no sign of a secret.

    `also`: a search for other kinds, which this one looks for too.
    """

    def __init__(self, known: Mapping[str, str], public: Iterable[str] = (), *, also: SecretSearch | None = None) -> None:
        self.kinds = frozenset(known)
        harmless = "\n".join([_IN_EVERY_IDENTITY, *_in_every_key(), *(variant for text in public for variant in (text, *_shifted(text)))])
        parts = {harmless[at : at + _PART] for at in range(len(harmless) - _PART + 1)}
        self._kind_of = {
            form: kind for kind, secret in known.items() for form in _searched(secret) if not _is_harmless(form, harmless, parts)
        }
        if lost := self.kinds - set(self._kind_of.values()):
            raise ValueError(f"nothing of these is secret: {sorted(lost)}")
        if also is not None:
            self.kinds |= also.kinds
            self._kind_of |= also._kind_of

    def in_files(self, *folders: Path, without: Iterable[Path] = (), largest: int | None = None) -> list[Found]:
        """What is in the files below the folders, on their file systems; without the files and folders `without`, and larger files."""
        left_out = [word for path in without for word in ("-path", str(path), "-prune", "-o")]
        size = ["-size", f"-{largest}c"] if largest is not None else []
        # -H: the root of a host is a symbolic link in /proc
        find = ["find", "-H", *map(str, folders), "-xdev", *left_out, "-type", "f", *size, "-print0"]
        listed = subprocess.run(find, capture_output=True, check=False).stdout  # files may go meanwhile
        with self._patterns() as (file, descriptor):
            grep = ["xargs", "-0", "-r", "grep", "-aoFHZ", "-f", file]
            done = subprocess.run(grep, input=listed, capture_output=True, check=False, pass_fds=[descriptor], env=_PLAIN)
        _check(done, missing_files=True)
        lines = (line.split("\0", 1) for line in done.stdout.decode(errors="replace").splitlines() if "\0" in line)
        return sorted({Found(self._kind_of[form], path) for path, form in lines})

    def in_texts(self, texts: Mapping[str, str | bytes]) -> list[Found]:
        """What is in the texts, each under a name that says where it is."""
        names, starts, line = list(texts), [], 1
        content = [text.encode(errors="surrogatepass") if isinstance(text, str) else text for text in texts.values()]
        for text in content:
            starts.append(line)
            line += text.count(b"\n") + 1
        with self._patterns() as (file, descriptor):
            grep = ["grep", "-aonF", "-f", file]
            done = subprocess.run(grep, input=b"\n".join(content), capture_output=True, check=False, pass_fds=[descriptor], env=_PLAIN)
        _check(done)
        found = (line.split(":", 1) for line in done.stdout.decode(errors="replace").splitlines())
        return sorted({Found(self._kind_of[form], names[bisect(starts, int(number)) - 1]) for number, form in found})

    @contextmanager
    def _patterns(self) -> Iterator[tuple[str, int]]:
        """A file in memory: on the disk, it would be what is searched for."""
        descriptor = os.memfd_create("forms")
        try:
            with os.fdopen(os.dup(descriptor), "w") as file:
                file.write("\n".join(self._kind_of) + "\n")
            yield f"/proc/self/fd/{descriptor}", descriptor
        finally:
            os.close(descriptor)


_PLAIN = {"PATH": os.environ["PATH"], "LC_ALL": "C"}


def _check(done: subprocess.CompletedProcess[bytes], *, missing_files: bool = False) -> None:
    """xargs replaces grep's codes by 123, and a file that has gone is no fault."""
    said = [line for line in done.stderr.decode().splitlines() if not (missing_files and line.endswith(_GONE))]
    assert said == [], said[:5]
    assert missing_files or done.returncode in (0, 1), done.returncode


_GONE = ("No such file or directory", "No such process", "Invalid argument", "Permission denied")


def _searched(secret: str) -> set[str]:
    """The shortest texts of which one is in every form of the secret."""
    texts = set[str]()
    for form in secret_forms(secret).whole:
        for line in form.splitlines() if "\n" in form else [form]:
            text = line.strip()
            if (len(text) < _SHORTEST_LINE and text != secret) or text.startswith("-----"):
                continue
            texts.update(_pieces(text) if len(text) >= _LONG and _BASE64.fullmatch(text) else [text])
    pieces = {text for text in texts if len(text) == PIECE}  # thousands, none of which is in another
    others = texts - pieces
    return {
        text
        for text in texts
        if not any(other in text for other in others if other != text)
        and (text in pieces or not any(text[at : at + PIECE] in pieces for at in range(len(text))))
    }


def _is_harmless(form: str, harmless: str, parts: set[str]) -> bool:
    """A piece with a few characters of the secret at one end may be in other keys by accident. `parts`: every _PART characters of the harmless text."""
    if len(form) == PIECE:
        return any(form[at : at + _PART] in parts for at in (0, 2, 4))
    # a search of the whole text for each of thousands of forms took 1.1 of 1.5 s: it is left to those that begin like a part
    return (len(form) < _PART or form[:_PART] in parts) and form in harmless


def _pieces(text: str) -> list[str]:
    pieces = [text[at : at + PIECE] for at in range(0, len(text) - PIECE + 1, PIECE)]
    return [piece for piece in pieces if len(set(piece)) >= _FEWEST_DIFFERENT]


def _shifted(text: str) -> list[str]:
    """The base64 of a text at its three positions in a longer one."""
    return [base64.b64encode(bytes(before) + text.encode()).decode() for before in range(3)]


@cache
def _in_every_key() -> tuple[str, ...]:
    """What unrelated keys have in common, in several encodings. Of RSA keys, the length in the first bytes differs by one or two."""
    heads = [f"{_RSA_HEAD}\nMIIE{length}IBAAKCAQEA000000" for length in ("og", "ow", "pA", "pQ")]
    # the length of a key decides how its end is encoded
    ends = [
        " " * before + end + rest
        for end in (_RSA_END, "-----END OPENSSH PRIVATE KEY-----", _RSA_EXPONENT)
        for rest in ("", "\n", "\n\n")
        for before in range(3)
    ]
    spelled = [*(openssh_key().strip() + rest for rest in ("", "\n", "\n\n")), *heads, *ends]
    # a Secret of Kubernetes has the base64 of the base64 in a kubeconfig
    twice = [text for each in spelled for once in [base64.b64encode(each.encode()).decode()] for text in (once, once + "\n")]
    return tuple(variant for text in (*spelled, *twice) for variant in (text, *_shifted(text)))


def openssh_key() -> str:
    """A new Ed25519 key as ssh-keygen writes it."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def rsa_key() -> str:
    """A text in the form in which kubeadm writes RSA keys. It is no key: making one takes long."""
    body = f"MIIEpAIBAAKCAQEA{base64.b64encode(secrets.token_bytes(1179)).decode()}"
    return "\n".join([_RSA_HEAD, *(body[at : at + 64] for at in range(0, len(body), 64)), _RSA_END, ""])


def awkward_password() -> str:
    """A password that every encoding changes."""
    return f"{secrets.token_urlsafe(9)}\"\\%/' &<{secrets.token_urlsafe(9)}"


def markers() -> dict[str, Marker]:
    """New secrets of each form and each encoding; their names say which."""
    marked: dict[str, Marker] = {}

    def mark(name: str, secret: str, text: str) -> None:
        marked[name] = Marker(secret, text)

    for name, encode in _ENCODINGS.items():
        password, key, ssh_key = awkward_password(), rsa_key(), openssh_key()
        mark(f"password, {name}", password, encode(password))
        mark(f"PEM key, {name}", key, encode(key))
        mark(f"OpenSSH key, {name}", ssh_key, encode(ssh_key))
    for number in (1, 12, 24):
        key = rsa_key()
        mark(f"PEM key, line {number}", key, key.splitlines()[number])
    key = rsa_key()
    mark("PEM key, without its lines", key, "".join(key.splitlines()[1:-1]))
    key = rsa_key()
    mark("kubeconfig key", base64.b64encode(key.encode()).decode(), f"client-key-data: {base64.b64encode(key.encode()).decode()}")
    key = rsa_key()
    mark("kubeconfig key, decoded", base64.b64encode(key.encode()).decode(), key)
    token = f"{_letters(6)}.{_letters(16)}"
    mark("bootstrap token", token, f"token: {token}")
    certificate_key = secrets.token_hex(32)
    mark("certificate key", certificate_key, f"--certificate-key {certificate_key}")
    identity = str(pyrage.x25519.Identity.generate())
    mark("age identity", identity, identity)
    password = secrets.token_urlsafe(32)
    mark("API password, header", password, f"Authorization: Basic {base64.b64encode(f'sixstack:{password}'.encode()).decode()}")
    password = awkward_password()
    mark("proxy password, URL", password, f"http://user:{quote(password, safe='')}@proxy.example:3128")
    return marked


_ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 in lines": lambda text: base64.encodebytes(text.encode()).decode(),
    "percent": lambda text: quote(text, safe=""),
    "JSON": json.dumps,
}


def _letters(number: int) -> str:
    return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(number))


def marker_text(marked: Mapping[str, Marker]) -> str:
    """All markers in one text."""
    return "\n".join(marker.text for marker in marked.values()) + "\n"


def kinds_of(found: Sequence[Found]) -> set[str]:
    """Which kinds were found."""
    return {each.kind for each in found}
