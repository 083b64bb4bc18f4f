"""The encodings in which a known secret can appear in text: base64, percent encoding, JSON, shell quotes, line by line, in pieces."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

# a shorter line of a multi-line secret ("}" or "=") would also match harmless text
_SHORTEST_LINE = 8
# a shorter encoding, such as `\n` for a line feed, would also match harmless text
_SHORTEST_FORM = 5
# of a key, pieces are recognised too: programs cut and wrap what they quote
_SHORTEST_KEY = 40
PIECE = 16
# `-----BEGIN ` and `AAAAAAAA` are in the base64 of public documents too: the first has 14 characters, the second few different ones
_FEWEST_DIFFERENT = 6
_WIDTHS = (64, 76)  # of PEM and of MIME
URL_SAFE = str.maketrans("-_", "+/")
_TO_URL_SAFE = str.maketrans("+/", "-_")


@dataclass(frozen=True, slots=True, repr=False)
class SecretForms:
    """The encodings of one secret; the `repr` shows none."""

    whole: frozenset[str]  # the secret and its lines, in every encoding
    pieces: frozenset[str]  # every PIECE characters of the base64 of a key


@lru_cache(maxsize=128)
def secret_forms(secret: str) -> SecretForms:
    """The encodings of a secret. They are kept for the next line: a key has thousands of pieces."""
    whole, pieces = {secret}, set[str]()
    for text in _texts(secret):
        whole.add(text)
        whole.update(form for form in (*_escaped(text), *_base64(text)) if len(form) >= _SHORTEST_FORM)
        whole.update(_lines(text))
        if len(text) >= _SHORTEST_KEY:
            for encoded in ("".join(_lines(text)), *_cores(text)):
                pieces.update(encoded[at : at + PIECE] for at in range(len(encoded) - PIECE + 1))
    return SecretForms(
        frozenset(whole - {""}),
        frozenset(piece for piece in pieces if len(piece) == PIECE and len(set(piece)) >= _FEWEST_DIFFERENT),
    )


def _texts(secret: str) -> tuple[str, ...]:
    """The secret; of a key also its base64 and what it is the base64 of: a kubeconfig has the base64 of PEM, and a Secret the base64 of that."""
    if len(secret) < _SHORTEST_KEY:
        return (secret,)
    try:
        decoded = (base64.b64decode(secret, validate=True).decode("ascii"),)
    except (binascii.Error, ValueError):
        return secret, base64.b64encode(_octets(secret)).decode()
    return secret, *decoded


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _lines(text: str) -> list[str]:
    """The lines of a text of several lines, without those that every key has."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if len(line) >= _SHORTEST_LINE and not line.startswith("-----")] if len(lines) > 1 else []


def _escaped(text: str) -> Iterator[str]:
    """URLs, JSON (also inside JSON, and as Go writes it), Python, and the shell."""
    # imported here to keep `sixstack check` fast, which redacts nothing
    from urllib.parse import quote

    for percent in (quote(_octets(text)), quote(_octets(text), safe="")):
        yield percent
        yield percent.replace("%20", "+")
        yield _lower_percent(percent)
    for ascii_only in (True, False):
        for once in (json.dumps(text, ensure_ascii=ascii_only)[1:-1], json.dumps(json.dumps(text, ensure_ascii=ascii_only)[1:-1])[1:-1]):
            yield once
            yield once.replace("/", r"\/")
            yield once.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")
    yield repr(text)[1:-1]
    yield text.replace("'", "'\"'\"'")
    yield text.replace("'", r"'\''")
    yield text.strip()


def _lower_percent(text: str) -> str:
    first, *rest = text.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in rest)])


def _base64(text: str) -> Iterator[str]:
    """With and without padding and a line feed, in URLs, inside other base64, and the last lines of wrapped base64."""
    from urllib.parse import quote

    for variant in (text, text.strip(), text + "\n"):
        padded = base64.b64encode(_octets(variant)).decode()
        for form in (padded, padded.translate(_TO_URL_SAFE)):
            yield from (form, form.rstrip("="), quote(form, safe=""))
        tails = (padded[len(padded) // width * width :] for width in _WIDTHS)
        yield from (tail for tail in tails if len(tail) >= _SHORTEST_LINE)
    for core in _cores(text):
        yield from (core, core.translate(_TO_URL_SAFE))


def _cores(text: str) -> Iterator[str]:
    """The characters of base64 that depend on `text` alone, for its three positions in a longer text."""
    octets = _octets(text)
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + octets).decode()
        # a character holds 6 bits: the first ones hold bits of the text before, the last one may hold bits of the text behind
        yield encoded[(8 * before + 5) // 6 : 8 * (before + len(octets)) // 6]
