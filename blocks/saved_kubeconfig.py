"""The block for the kubeconfig of a cluster, with the SSH endpoint of its control plane."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from cluster.vocabulary.spec import SSH


class SavedKubeconfig(Block):
    """A kubeconfig (stored encrypted), with the SSH endpoint of the control plane if the API is reached through it."""

    _block_type_name = "Saved kubeconfig"
    _block_type_slug = "saved-kubeconfig"
    _description = (
        "Admin kubeconfig of one cluster, with the SSH endpoint, pinned host key and credential name of its control plane. "
        "With this block, `sixstack kubectl NAME -- get nodes` works without a route to the API server. The flow create-cluster writes it. "
        "For a cluster of another tool, create it with `sixstack kubeconfig NAME --save FILE`; the API server is then called directly."
    )
    _code_example = """
```python
from blocks.saved_kubeconfig import SavedKubeconfig

kubeconfig = SavedKubeconfig.load("demo").kubeconfig.get_secret_value()
```
"""

    cluster: str = Field(description="Name of the cluster.")
    kubeconfig: SecretStr = Field(
        description="The kubeconfig as YAML; or as JSON, which fits into one line: `kubectl config view --raw -o json`."
    )
    api: str = Field("", description="host:port of the API server, as reached from the control plane. Empty: the server in the kubeconfig.")
    ca_hash: str = Field("", description="sha256:HEX of the cluster's CA key, which identifies the cluster. Empty: unknown.")
    control_plane: str = Field("", description="Name of the control-plane host. Empty: unknown.")
    ssh: SSH | None = Field(
        None,
        title="SSH",
        description="SSH access to the control-plane host: address, port, user, credential block, pinned host key, jump host. Empty: the API is called directly.",
    )


def block_name(cluster: str) -> str:
    """The name of the block with the kubeconfig of a cluster."""
    return cluster
