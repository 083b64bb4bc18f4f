"""A bootstrap token for one join: a Secret that is valid for minutes, and is removed at the end of its join.

The API creates it, not `kubeadm token create`: that costs half a second of the control plane for each worker, while all workers wait
(docs/benchmarks.md). The Secret's form: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from cluster.vocabulary.errors import SixstackError
from kube.client import Document, KubeApi, segment
from kube.wait import wait_until

SECRETS = "/api/v1/namespaces/kube-system/secrets"
LIFETIME = timedelta(minutes=15)

# the group that kubeadm allows to request a kubelet certificate
GROUP = "system:bootstrappers:kubeadm:default-node-token"

_LETTERS = string.ascii_lowercase + string.digits


@contextmanager
def bootstrap_token(api: KubeApi, node: str) -> Iterator[str]:
    """A token (ID.SECRET) with which `node` can join at once; removed at the end, and expired after LIFETIME if the API is unavailable then."""
    token_id, secret = _random(6), _random(16)
    name = f"bootstrap-token-{token_id}"
    api.create(SECRETS, _document(name, token_id, secret, node))
    try:
        _wait_signed(api, token_id)
        yield f"{token_id}.{secret}"
    finally:
        with suppress(SixstackError):
            api.delete(f"{SECRETS}/{segment(name)}")


def _random(letters: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(letters))


def _document(name: str, token_id: str, secret: str, node: str) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": {
            "description": f"sixstack: {node} joins",
            "token-id": token_id,
            "token-secret": secret,
            "expiration": (datetime.now(UTC) + LIFETIME).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "usage-bootstrap-authentication": "true",
            "usage-bootstrap-signing": "true",
            "auth-extra-groups": GROUP,
        },
    }


def _wait_signed(api: KubeApi, token_id: str) -> None:
    """Wait for the signature of cluster-info: a join that reads cluster-info before its token's signature retries only after 5 s."""
    key = f"jws-kubeconfig-{token_id}"

    def pending(found: dict[str, Document]) -> dict[str, str]:
        signed = any(key in document.get("data", {}) for document in found.values())
        return {} if signed else {"cluster-info": "not signed for the token yet"}

    wait_until(
        api,
        "/api/v1/namespaces/kube-public/configmaps",
        pending,
        what="cluster-info signed",
        limit=timedelta(seconds=30),
        query={"fieldSelector": "metadata.name=cluster-info"},
    )
