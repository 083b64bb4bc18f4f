"""Inputs that are almost right: documents from the models of the cluster file, and texts with damaged bytes."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from random import Random
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from cluster.rules.component_fields import FieldType
from cluster.vocabulary.spec import ClusterSpec, SpecModel

_ROOT = Path(__file__).parents[2]
EXAMPLES = tuple(path.read_text(encoding="utf-8") for path in sorted((_ROOT / "deployments/examples").glob("*.yaml")))

ADDRESSES = (
    "198.18.0.11",
    "198.18.0.12",
    "fd66::11",
    "fd66::12",
    "10.244.0.5",
    "fd44::5",
    "fe80::1",
    "::",
    "::1",
    "::ffff:192.0.2.1",
    "0.0.0.0",
    "224.0.0.1",
    "fec0::1",
    "fd66::11%eth0",
    "[fd66::11]",
    "198.18.0.011",
    "fd66::11:6443",
)
NETWORKS = (
    "10.244.0.0/16",
    "fd44::/56",
    "10.96.0.0/16",
    "fd44:0:0:ffff::/112",
    "10.0.0.0/8",
    "0.0.0.0/0",
    "::/0",
    "10.244.0.0/30",
    "fd44::/127",
    "fd44::/64",
    "10.244.1.0/16",
    "200.1.0.0/16",
    "2001:db8::/48",
    "fe80::/10",
    "10.96.0.0/255.255.0.0",
    "10.96.0.0",
)
WORDS = (
    "",
    "node-1",
    "Node_01",
    "trust-on-first-use",
    "ssh-ed25519 AAAA",
    "api.example.org:6443",
    "https://u:p@mirror.example.org/x",
    "docker.io",
    "_default",
    "a" * 64,
    "a" * 300,
    " " * 50,
    "1.36.3",
    "v1.36.03",
    "1.38.0",
    "v2.0.0",
    "0.99.1",
    "calico-node",
    "eth0",
    "cluster",
    "retests",
    "-----BEGIN PRIVATE KEY-----",
    "\x1b[31mred",
    "a\u202eb",
    "a\nb",
    "\ud800",
    "é",
    "static",
    "text",
    "[fd66::1]:5000/a/*",
    "a__b/c---d." + "e-" * 2000,
    "30s",
    "100Mi",
    "10%",
    "-1",
    "010",
    "9" * 5000,
    "1.2.3.4/" + "9" * 5000,
    "10.1.*",
    "fd66:1:2:3:4:5:6:7:6443",
    "http://[x",
    "http://fd66::11:5000/" + "a" * 2000,
    "https://[::ffff:192.0.2.1]:5000",
    "1-65535",
    "/var/log//audit/",
    "/" + "a/" * 3000,
    "/etc/kubernetes/sixstack/" + "a" * 2000,
    "/etc/kubernetes/pki/x,/y:z",
    "audit-log",
    "k8s-certs",
)
NUMBERS: tuple[Any, ...] = (
    0,
    1,
    -1,
    22,
    24,
    26,
    64,
    122,
    128,
    1280,
    4789,
    6443,
    30000,
    65535,
    65536,
    2**31,
    2**63,
    10**5000,
    1.5,
    float("nan"),
)
FIELDS = (
    "maxPods",
    "failSwapOn",
    "evictionHard",
    "mode",
    "conntrack",
    "nodePortAddresses",
    "cgroupDriver",
    "verbosity",
    "memory.available",
    "featureGates",
    "GracefulNodeShutdown",
    "AllAlpha",
    "logging",
    "options",
    "json",
    "infoBufferSize",
    "reservedMemory",
    "limits",
    "numaNode",
    "preloadedImagesVerificationAllowlist",
    "tlsCurvePreferences",
    "defaultPodSysctls",
    "net/core/somaxconn",
    "evictionSoft",
    "cpuCFSQuotaPeriod",
    "cpuManagerPolicy",
    "cpuManagerPolicyOptions",
    "v",
    "oidc-issuer-url",
    "max-pods",
    "service-node-port-range",
    "audit-log-path",
    "audit-policy-file",
    "tls-sni-cert-key",
    "log-outputs",
    "secure-port",
    "a b",
)
_LONG = re.compile('"long number ([0-9]+)"')
# how often a value is not of its type
_WRONG = 0.03


def anything(random: Random, depth: int = 0) -> Any:
    """A value of any type."""
    kind = random.randrange(8 if depth < 4 else 6)
    if kind < 2:
        return random.choice((*ADDRESSES, *NETWORKS, *WORDS))
    if kind < 4:
        return random.choice(NUMBERS)
    if kind < 6:
        return random.choice((None, True, False))
    if kind == 6:
        return [anything(random, depth + 1) for _ in range(random.randrange(4))]
    return {random.choice((*FIELDS, *WORDS, *ADDRESSES)): anything(random, depth + 1) for _ in range(random.randrange(4))}


def document(random: Random, annotation: Any = ClusterSpec, metadata: tuple[Any, ...] = ()) -> Any:  # noqa: PLR0911, PLR0912 one per type
    """A value of this annotation, in one of 30 places of another type."""
    if random.random() < _WRONG:
        return anything(random)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return document(random, arguments[0], arguments[1:])
    if origin in (Union, UnionType):
        if set(arguments) <= {IPv4Address, IPv6Address}:
            return random.choice(ADDRESSES)
        if set(arguments) <= {IPv4Network, IPv6Network}:
            return random.choice(NETWORKS)
        return document(random, random.choice(arguments), metadata)
    if annotation is type(None):
        return None
    if annotation is Any:
        return anything(random)
    if origin is tuple:
        return [document(random, arguments[0]) for _ in range(random.choice((0, 1, 1, 2, 2, 3)))]
    if origin is dict:
        names = get_args(arguments[0]) if get_origin(arguments[0]) is Literal else (*FIELDS, *WORDS)
        return {random.choice(names): document(random, arguments[1]) for _ in range(random.randrange(3))}
    if origin is Literal:
        return random.choice(arguments)
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        return _fields(random, annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return random.choice(list(annotation)).value
    if annotation is bool:
        return random.random() < 0.5
    if annotation is int:
        return random.choice(NUMBERS[:15])
    return random.choice((*WORDS, *ADDRESSES))


def _fields(random: Random, model: type[SpecModel]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for name, field in model.model_fields.items():
        if random.random() < (0.97 if field.is_required() else 0.4):
            found[name] = document(random, field.annotation, tuple(field.metadata))
    if random.random() < _WRONG:
        found[random.choice(WORDS)] = anything(random)
    return found


def changed(random: Random, good: Any) -> Any:
    """A copy of a good document with one to four values replaced, removed, repeated or added."""
    result = copy.deepcopy(good)
    for _ in range(random.randint(1, 4)):
        holder = result
        while True:
            inner = [
                value for value in (holder.values() if isinstance(holder, dict) else holder) if isinstance(value, dict | list) and value
            ]
            if not inner or random.random() < 0.3:
                break
            holder = random.choice(inner)
        if isinstance(holder, dict) and holder:
            key = random.choice(list(holder))
            action = random.randrange(4)
            if action == 0:
                del holder[key]
            elif action == 1:
                holder[random.choice((*FIELDS, *WORDS))] = anything(random)
            else:
                holder[key] = anything(random)
        elif isinstance(holder, list) and holder:
            at = random.randrange(len(holder))
            action = random.randrange(4)
            if action == 0:
                del holder[at]
            elif action == 1:
                holder.append(copy.deepcopy(holder[at]))
            elif action == 2:
                holder.extend([copy.deepcopy(holder[at])] * random.choice((2, 100)))
            else:
                holder[at] = anything(random)
    return result


def component_fields(random: Random, fields: Mapping[str, FieldType]) -> dict[str, Any]:
    """Some fields of a component with values, of which some have the right type."""
    found: dict[str, Any] = {}
    for name in random.sample(sorted(fields), random.randint(1, 8)):
        holder = found
        *outer, last = name.split(".")
        for key in outer:
            inner: dict[str, Any] = {}
            kept = holder.setdefault(key.removesuffix("[]"), [inner] if key.endswith("[]") else inner)
            if key.endswith("[]") and isinstance(kept, list) and random.random() < 0.5:
                kept.append(inner)
            holder = kept[-1] if isinstance(kept, list) else kept
        holder[last] = _of_type(random, fields[name])
    return found


def _of_type(random: Random, kind: FieldType) -> Any:  # noqa: PLR0911 one per type
    word = random.choice((*WORDS, *ADDRESSES, *NETWORKS))
    names = (*FIELDS, *WORDS)
    match kind:
        case FieldType.BOOLEAN:
            return random.random() < 0.5
        case FieldType.STRINGS:
            return [random.choice(WORDS) for _ in range(random.choice((0, 1, 2, 3, 200)))]
        case FieldType.INTEGERS:
            return [random.choice((*NUMBERS[:15], 29, 29)) for _ in range(random.choice((0, 1, 2, 3, 200)))]
        case FieldType.BOOLEAN_MAP:
            return {random.choice(names): random.random() < 0.5 for _ in range(random.randrange(4))}
        case FieldType.STRING_MAP | FieldType.QUANTITY_MAP | FieldType.STRINGS_MAP:
            return {random.choice(names): random.choice((word, *NUMBERS)) for _ in range(random.randrange(4))}
        case FieldType.STRING | FieldType.DURATION | FieldType.QUANTITY:
            return word
    return anything(random) if random.random() < 0.3 else random.choice(NUMBERS)


_WORDS_OF_YAML = "[ ] { } : # *a ~ | > % \" ' \\ null true 1e999 .nan 0x1f 010 1:20 2026-13-45 :: fd00::/8 hosts: name:"
_WITH_BLANKS = (
    "- ",
    ": ",
    "? ",
    "&a ",
    "<<: *a",
    "!!int ",
    "!!binary ",
    "!!bool ",
    "!!timestamp ",
    "!x ",
    "---\n",
    "...\n",
    " ",
    "  ",
    "\t",
)
_CONTROL = ("\n", "\r", "\r\n", "\0", "\x1b[31m", "\x85", "\u2028", "\ufeff", "\u202e")
_NOT_UTF_8 = (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80")
_TOKENS: tuple[bytes, ...] = (
    *(token.encode() for token in (*_WORDS_OF_YAML.split(), *_WITH_BLANKS, *_CONTROL, "9" * 5000, "a" * 70)),
    *_NOT_UTF_8,
)
_REPEATED = (1, 1, 1, 2, 10, 300, 20_000)


def damaged(random: Random, texts: tuple[bytes, ...]) -> bytes:
    """A text with one to eight edits: bytes changed, cut, repeated or moved, and tokens of YAML, once or thousands of times."""
    data = bytearray(random.choice(texts))
    for _ in range(random.choice((1, 1, 2, 3, 5, 8))):
        at = random.randrange(len(data) + 1)
        to = min(len(data), at + random.choice((0, 1, 2, 8, 60, 2000)))
        match random.randrange(6):
            case 0:
                data[at:at] = random.choice(_TOKENS) * random.choice(_REPEATED)
            case 1:
                data[at:to] = b""
            case 2:
                data[at:at] = data[at:to] * random.choice(_REPEATED[:-1])
            case 3:
                other = random.choice(texts)
                start = random.randrange(len(other) + 1)
                data[at:to] = other[start : start + random.choice((1, 20, 400))]
            case 4:
                data[at:to] = bytes(random.randrange(256) for _ in range(min(to - at, 8)))
            case _:
                data[at:to] = random.choice(_TOKENS)
        del data[1_200_000:]
    return bytes(data)


def as_json(value: object) -> str:
    """JSON; a number that Python refuses to print is a long string of digits, as in a file."""
    return _LONG.sub(lambda match: "9" * int(match[1]), json.dumps(_without_long_numbers(value)))


def _without_long_numbers(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_long_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_long_numbers(inner) for inner in value]
    return "long number 5001" if isinstance(value, int) and abs(value) > 10**4000 else value
