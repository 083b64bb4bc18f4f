"""The block for the folder with the artifacts of one Kubernetes version."""

from __future__ import annotations

from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field

from bundle.manifest import BundleManifest, read_manifest


class ArtifactBundle(Block):
    """A folder with binaries, systemd units, images and a manifest, for one Kubernetes version and architecture."""

    _block_type_name = "Artifact bundle"
    _block_type_slug = "artifact-bundle"
    _description = (
        "Folder with kubeadm, kubelet, containerd, CNI plug-ins, systemd units and images of one Kubernetes version, and a manifest with checksums. "
        "Create it with `sixstack bundle fetch` or `sixstack lab bundle`. The folder must be readable on the machine of the Prefect worker."
    )
    _code_example = """
```python
from blocks.artifact_bundle import ArtifactBundle

ArtifactBundle(folder="/srv/sixstack/bundle-v1.36.3-amd64").save("default", overwrite=True)
```
"""

    folder: str = Field(description="Absolute path of the bundle's folder on the machine of the Prefect worker.")

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.folder).expanduser()

    def manifest(self) -> BundleManifest:
        """The validated manifest; raises the errors of bundle.manifest.read_manifest."""
        return read_manifest(self.path)
