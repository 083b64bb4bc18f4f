"""The keys of Kubernetes in etcd with their revisions, without values: what exists at one revision, and which state of it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "/registry/"
NODES = "minions/"  # the keys of Node objects, a name from the time before Kubernetes 1.0

Keys = Mapping[str, "KeyRevisions"]  # by the key without PREFIX, such as `configmaps/default/x`


@dataclass(frozen=True, slots=True)
class KeyRevisions:
    """When a key was created and last changed. Equal for the same object in the same state."""

    created: int
    modified: int


@dataclass(frozen=True, slots=True)
class KeyList:
    """What etcd answers when it is asked for the keys."""

    keys: Keys
    revision: int  # of etcd when it answered


def read_keys(text: str | bytes) -> KeyList | None:
    """The answer of `etcdctl get /registry --prefix --keys-only --write-out=json`; None for any other text."""
    try:
        answer = json.loads(text)
        entries, revision = answer["kvs"], int(answer["header"]["revision"])
        found = {
            base64.b64decode(entry["key"]).decode(): KeyRevisions(int(entry["create_revision"]), int(entry["mod_revision"]))
            for entry in entries
        }
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        return None
    return KeyList({key.removeprefix(PREFIX): revisions for key, revisions in found.items() if key.startswith(PREFIX)}, revision)
