"""The folder with the artifacts of one Kubernetes version."""

from __future__ import annotations

from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field

from bundle.manifest import BundleManifest, read_manifest


class ArtifactBundle(Block):
    """A folder with a manifest: binaries, units and images of one Kubernetes version and architecture."""

    _block_type_name = "Artifact bundle"
    _block_type_slug = "artifact-bundle"
    _description = (
        "Folder that holds kubeadm, kubelet, containerd, CNI plugins, systemd units and images of one Kubernetes version, with a manifest of checksums. "
        "Made by `sixstack bundle fetch` or `sixstack lab bundle`; the folder must be readable where the Prefect worker runs."
    )
    _code_example = """
```python
from blocks.artifact_bundle import ArtifactBundle

ArtifactBundle(folder="/srv/sixstack/bundle-v1.36.3-amd64").save("default", overwrite=True)
```
"""

    folder: str = Field(description="Absolute path of the bundle's folder, as the worker sees it.")

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.folder).expanduser()

    def manifest(self) -> BundleManifest:
        """The validated manifest; raises as bundle.manifest.read_manifest."""
        return read_manifest(self.path)
