"""Save a kubeconfig whose control plane `node-1` trusts on first use: `python save_kubeconfig.py CLUSTER ADDRESS PORT USER`."""

import sys

from pydantic import SecretStr

from blocks.saved_kubeconfig import SavedKubeconfig
from cluster.vocabulary.spec import SSH

CLUSTER, ADDRESS, PORT, USER = sys.argv[1:]
TEXT = """apiVersion: v1
kind: Config
current-context: it
contexts: [{name: it, context: {cluster: it, user: it}}]
clusters: [{name: it, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: it, user: {token: none}}]
"""

if __name__ == "__main__":
    ssh = SSH(address=ADDRESS, port=int(PORT), user=USER, credential=CLUSTER, host_key="trust-on-first-use")
    SavedKubeconfig(cluster=CLUSTER, kubeconfig=SecretStr(TEXT), api="127.0.0.1:9", control_plane="node-1", ssh=ssh).save(
        CLUSTER, overwrite=True
    )
