"""The block for the folder with the artifacts of one Kubernetes version."""

from __future__ import annotations

import hashlib
from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field

from bundle.faults import BundleFault
from bundle.manifest import MANIFEST_NAME, BundleManifest, manifest_content, parse_manifest
from cluster.vocabulary.problems import Problem, Severity


class ArtifactBundle(Block):
    """A folder with binaries, systemd units, images and a manifest, for one Kubernetes version and architecture."""

    _block_type_name = "Artifact bundle"
    _block_type_slug = "artifact-bundle"
    _description = (
        "Folder with kubeadm, kubelet, containerd, CNI plug-ins, systemd units and images of one Kubernetes version, and a manifest with checksums. "
        "Create it with `sixstack bundle fetch` or `sixstack lab bundle`, and save this block with `sixstack bundle register FOLDER`. "
        "The folder must be readable on the machine of the Prefect worker."
    )
    _code_example = """
```python
from pathlib import Path

from blocks.artifact_bundle import ArtifactBundle

ArtifactBundle.of(Path("/srv/sixstack/bundle-v1.36.3-amd64")).save("default", overwrite=True)
manifest = ArtifactBundle.load("default").manifest()
```
"""

    folder: str = Field(description="Absolute path of the bundle's folder on the machine of the Prefect worker.")
    manifest_sha256: str = Field(
        default="",
        title="Digest of the manifest",
        description="sha256 of manifest.json in the folder, in hex. A run refuses the bundle when the file has another digest. Empty: any.",
        pattern=r"^([0-9a-f]{64})?$",
    )

    @classmethod
    def of(cls, folder: Path) -> ArtifactBundle:
        """The block for the bundle that the folder has now; raises the errors of bundle.manifest.read_manifest."""
        folder = folder.expanduser().absolute()
        content = manifest_content(folder)
        parse_manifest(folder, content)
        return cls(folder=str(folder), manifest_sha256=hashlib.sha256(content).hexdigest())

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.folder).expanduser()

    def manifest(self) -> BundleManifest:
        """The validated manifest. BundleFault when it has another digest than the block; otherwise the errors of bundle.manifest.read_manifest."""
        content = manifest_content(self.path)
        found = hashlib.sha256(content).hexdigest()
        if self.manifest_sha256 and found != self.manifest_sha256:
            message = f"has sha256 {found}, but the block `{self._saved_as}` was registered with {self.manifest_sha256}"
            hint = f"Find out who changed the bundle. If the change is yours: {self._register}"
            raise BundleFault([Problem("bundle-manifest-changed", str(self.path / MANIFEST_NAME), message, hint)])
        return parse_manifest(self.path, content)

    def remarks(self) -> tuple[Problem, ...]:
        """Warning `bundle-not-pinned` when the block has no digest, as blocks of earlier versions."""
        if self.manifest_sha256:
            return ()
        message = f"the block `{self._saved_as}` has no digest of the manifest in {self.folder}: a person who can write to this folder decides what hosts run"
        return (Problem("bundle-not-pinned", "bundle", message, f"{self._register[0].upper()}{self._register[1:]}", Severity.WARNING),)

    @property
    def _saved_as(self) -> str:
        return self._block_document_name or "NAME"

    @property
    def _register(self) -> str:
        return f"run `sixstack bundle register {self.folder} --name {self._saved_as} --overwrite`"
