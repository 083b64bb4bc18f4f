"""A join's token on a real API server; the test stands in for the controller manager, which signs cluster-info."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from kube.bootstrap_token import LIFETIME, SECRETS, bootstrap_token
from kube.client import Document, KubeApi
from kube.wait import watch_objects

pytestmark = pytest.mark.bundle

CLUSTER_INFO = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cluster-info"}, "data": {"kubeconfig": "of this cluster"}}
MAPS = "/api/v1/namespaces/kube-public/configmaps"


def tokens(api: KubeApi) -> list[Document]:
    """The bootstrap tokens there are."""
    return list(api.get(SECRETS, fieldSelector="type=bootstrap.kubernetes.io/token")["items"])


@pytest.fixture
def signer(api: KubeApi) -> Iterator[None]:
    """Signs cluster-info for each token that appears, as the controller manager does."""
    api.create(MAPS, CLUSTER_INFO)

    def sign() -> None:
        for found in watch_objects(api, SECRETS, timedelta(seconds=60)):
            made = [name for name in found if name.startswith("bootstrap-token-")]
            if made:
                api.merge(f"{MAPS}/cluster-info", {"data": {f"jws-kubeconfig-{made[0].removeprefix('bootstrap-token-')}": "signed"}})
                return

    thread = threading.Thread(target=sign)
    thread.start()
    yield
    thread.join()
    api.delete(f"{MAPS}/cluster-info")


def check_handed_out(api: KubeApi, token: str) -> None:
    """It is worker-1's, may only join, ends within minutes, and can be used now."""
    (secret,) = tokens(api)
    data = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    assert f"{data['token-id']}.{data['token-secret']}" == token
    assert data["description"] == "sixstack: worker-1 joins"
    assert data["auth-extra-groups"] == "system:bootstrappers:kubeadm:default-node-token"
    left = datetime.fromisoformat(data["expiration"]) - datetime.now(UTC)
    assert timedelta(0) < left <= LIFETIME
    assert f"jws-kubeconfig-{data['token-id']}" in api.get(f"{MAPS}/cluster-info")["data"]


@pytest.mark.usefixtures("signer")
def test_a_token_is_there_for_one_join_and_gone_after_it(api: KubeApi) -> None:
    """A join that fails leaves none either."""

    def join() -> None:
        with bootstrap_token(api, "worker-1") as token:
            check_handed_out(api, token)
            raise RuntimeError("the join fails")

    with pytest.raises(RuntimeError, match="the join fails"):
        join()
    assert tokens(api) == []
