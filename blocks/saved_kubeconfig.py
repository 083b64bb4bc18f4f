"""The kubeconfig of a cluster, with the SSH endpoint of its control plane."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from cluster.vocabulary.spec import SSH


class SavedKubeconfig(Block):
    """A kubeconfig (encrypted at rest), and the SSH endpoint of the control plane if the API is reached through it."""

    _block_type_name = "Saved kubeconfig"
    _block_type_slug = "saved-kubeconfig"
    _description = (
        "Admin kubeconfig of one cluster, with the SSH endpoint, pinned host key and credential name of its control plane, "
        "so that `sixstack kubectl NAME -- get nodes` works where there is no route to the API server. Written by create-cluster; "
        "`sixstack kubeconfig NAME --save FILE` makes one of a cluster that somebody else made, whose API server is then called directly."
    )
    _code_example = """
```python
from blocks.saved_kubeconfig import SavedKubeconfig

kubeconfig = SavedKubeconfig.load("demo").kubeconfig.get_secret_value()
```
"""

    cluster: str = Field(description="Name of the cluster.")
    kubeconfig: SecretStr = Field(description="The kubeconfig, YAML.")
    api: str = Field("", description="host:port of the API server as the control plane itself reaches it; empty: the kubeconfig's server.")
    ca_hash: str = Field("", description="sha256:HEX of the cluster's CA key, its identity; empty: not known.")
    control_plane: str = Field("", description="Name of the control-plane host; empty: not known.")
    ssh: SSH | None = Field(
        None,
        title="SSH",
        description="How to reach that host: address, port, user, credential block, pinned key, jump host; left out: the API is called directly.",
    )


def block_name(cluster: str) -> str:
    """The name of the block that holds this cluster's kubeconfig."""
    return cluster
