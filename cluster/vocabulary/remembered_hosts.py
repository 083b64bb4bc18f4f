"""The SSH endpoints of hosts, which the cluster remembers in a ConfigMap: a host is removed by its name when the file does not list it any more.

An annotation of the Node would go with the Node, and the kubelet of that machine may change it (NodeRestriction does not forbid this): one
machine could name another machine to be reset. No kubelet may write ConfigMaps.
"""

from __future__ import annotations

import json

from pydantic import ValidationError

from cluster.vocabulary.spec import SSH

NAMESPACE = "kube-system"
CONFIG_MAP = "sixstack-hosts"  # node name -> encoded endpoint


def encode_endpoint(ssh: SSH) -> str:
    """One line of JSON. It names a credential block, and contains no secret."""
    return json.dumps(ssh.model_dump(mode="json", exclude_none=True), sort_keys=True)


def decode_endpoint(text: str) -> SSH | None:
    """The endpoint; None for anything that `encode_endpoint` did not write."""
    try:
        return SSH.model_validate_json(text)
    except ValidationError:
        return None
