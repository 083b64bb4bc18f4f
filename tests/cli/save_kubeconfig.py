"""Save a kubeconfig whose control plane `node-1` trusts on first use: `python save_kubeconfig.py CLUSTER ADDRESS PORT USER`.

The certificate of the cluster's CA comes from standard input.
"""

import base64
import sys

from pydantic import SecretStr

from blocks.saved_kubeconfig import SavedKubeconfig
from cluster.vocabulary.spec import SSH

CLUSTER, ADDRESS, PORT, USER = sys.argv[1:]
TEXT = """apiVersion: v1
kind: Config
current-context: it
contexts: [{name: it, context: {cluster: it, user: it}}]
clusters: [{name: it, cluster: {server: "https://127.0.0.1:9", certificate-authority-data: CA}}]
users: [{name: it, user: {token: none}}]
"""

if __name__ == "__main__":
    ssh = SSH(address=ADDRESS, port=int(PORT), user=USER, credential=CLUSTER, host_key="trust-on-first-use")
    text = TEXT.replace("CA}", base64.b64encode(sys.stdin.buffer.read()).decode() + "}")
    SavedKubeconfig(cluster=CLUSTER, kubeconfig=SecretStr(text), api="127.0.0.1:9", control_plane="node-1", ssh=ssh).save(
        CLUSTER, overwrite=True
    )
