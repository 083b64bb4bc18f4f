"""The manifest of an artifact bundle. The product uses only the manifest and does not depend on the origin of the files."""

from __future__ import annotations

import json
import platform
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bundle.faults import BundleFault
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.problems import Problem

MANIFEST_NAME = "manifest.json"
FORMAT = 1
CONTROL_PLANE = "control-plane"
WORKER = "worker"
ROLES = (CONTROL_PLANE, WORKER)


class FileKind(StrEnum):
    """The kind of a file, which decides how a host installs it."""

    BINARY = "binary"
    CNI_PLUGIN = "cni-plugin"
    UNIT = "unit"
    IMAGE = "image"  # an OCI archive for `ctr image import`


class Encoding(StrEnum):
    """How a file is stored in the bundle. A bare host has gzip, but not always zstd."""

    IDENTITY = "identity"
    GZIP = "gzip"


class Architecture(StrEnum):
    """CPU architectures, with the names of Go and OCI."""

    AMD64 = "amd64"
    ARM64 = "arm64"

    @classmethod
    def of_this_machine(cls) -> Architecture:
        """The architecture of this machine; EnvironmentFault for an architecture that hosts cannot have."""
        known = {"x86_64": cls.AMD64, "aarch64": cls.ARM64}
        machine = platform.machine()
        if machine not in known:
            raise EnvironmentFault(f"this machine is {machine}, hosts are {' or '.join(known)}: specify an architecture")
        return known[machine]


def _check_inside(path: PurePosixPath) -> PurePosixPath:
    """Refuse a path outside of the bundle's folder."""
    text = str(path)
    if path.is_absolute() or ".." in path.parts or text in {"", ".", MANIFEST_NAME} or "\\" in text or "\0" in text:
        raise ValueError(f"{text!r} is not a path inside the bundle's folder")
    return path


def _check_absolute(path: PurePosixPath | None) -> PurePosixPath | None:
    """Refuse an installation target that is not an absolute path."""
    if path is not None and (not path.is_absolute() or ".." in path.parts or "\0" in str(path)):
        raise ValueError(f"{str(path)!r} is not an absolute path without `..`")
    return path


def _check_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse an unknown role: no host would get the file."""
    if not roles or set(roles) - set(ROLES):
        raise ValueError(f"expected one or more of {', '.join(ROLES)}, got {', '.join(roles) or 'none'}")
    return roles


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Size = Annotated[int, Field(ge=0)]


class BundleFile(BaseModel):
    """One file of a bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[PurePosixPath, AfterValidator(_check_inside)] = Field(description="Path relative to the bundle's folder.")
    name: Name = Field(description="Name, such as kubeadm, kube-apiserver or flannel-cni-plugin.")
    kind: FileKind
    version: str = Field(min_length=1)
    sha256: Sha256 = Field(description="sha256 of the stored file.")
    size: Size = Field(description="Size of the stored file in bytes.")
    encoding: Encoding
    content_sha256: Sha256 = Field(description="sha256 of the decoded file, as installed on a host.")
    content_size: Size = Field(description="Size of the decoded file in bytes.")
    target: Annotated[PurePosixPath | None, AfterValidator(_check_absolute)] = Field(
        default=None, description="Path of the installed file on a host; none for images."
    )
    mode: int = Field(default=0o644, ge=0, le=0o777)
    roles: Annotated[tuple[str, ...], AfterValidator(_check_roles)] = ROLES
    cni: Name | None = Field(
        default=None, description="CNI plug-in of the image, needed only with this pod network; none: every host needs the file."
    )
    images: tuple[str, ...] = Field(default=(), description="Full references of the images in the archive; only for image files.")

    @model_validator(mode="after")
    def _check_kind(self) -> BundleFile:
        if self.kind is FileKind.IMAGE:
            if not self.images or self.target is not None:
                raise ValueError("an image file needs references in `images` and must not have a `target`")
        elif self.images or self.target is None:
            raise ValueError("a file of this kind needs a `target` and must not have `images`")
        if self.encoding is Encoding.IDENTITY and (self.sha256, self.size) != (self.content_sha256, self.content_size):
            raise ValueError("with encoding `identity`, digest and size must equal those of the content")
        return self


class BundleManifest(BaseModel):
    """The content of a bundle: all files that turn hosts of one architecture into nodes of one Kubernetes version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(default=FORMAT, ge=FORMAT, le=FORMAT)
    name: Name
    kubernetes_version: str = Field(pattern=r"^v\d+\.\d+\.\d+$")
    architecture: Architecture
    files: tuple[BundleFile, ...]

    @model_validator(mode="after")
    def _check_unique(self) -> BundleManifest:
        images = [image for file in self.files for image in file.images]
        for kind, values in (
            ("path", [str(file.path) for file in self.files]),
            ("target", [str(file.target) for file in self.files if file.target is not None]),
            ("image", images),
        ):
            duplicates = sorted({value for value in values if values.count(value) > 1})
            if duplicates:
                raise ValueError(f"duplicate {kind}: {', '.join(duplicates)}")
        return self

    def for_host(self, role: str, network_images: Collection[str]) -> tuple[BundleFile, ...]:
        """The files for a host with this role, in a cluster whose pod network uses these images."""
        wanted = set(network_images)
        return tuple(file for file in self.files if role in file.roles and (file.cni is None or wanted.intersection(file.images)))

    def image(self, reference: str) -> BundleFile:
        """The archive with this image; EnvironmentFault when the bundle does not have the image."""
        for file in self.files:
            if reference in file.images:
                return file
        raise EnvironmentFault(
            f"bundle {self.name} has no image {reference}: use a bundle for the Kubernetes version and CNI of the cluster"
        )

    @property
    def images(self) -> tuple[str, ...]:
        """The references of all images."""
        return tuple(image for file in self.files for image in file.images)

    @property
    def probe_image(self) -> str:
        """The reference of the image of the network check's pods."""
        return next(reference for file in self.files if file.name == PROBE for reference in file.images)

    @property
    def total_size(self) -> int:
        """The size of all stored files in bytes."""
        return sum(file.size for file in self.files)

    def to_json(self) -> str:
        """The text of manifest.json. Equal manifests give equal texts."""
        return json.dumps(self.model_dump(mode="json"), indent=2) + "\n"


PROBE = "probe"


def read_manifest(folder: Path) -> BundleManifest:
    """Read the manifest in a bundle's folder.

    EnvironmentFault when the file cannot be read, BundleFault with all problems when it is not a valid manifest.
    """
    path = folder / MANIFEST_NAME
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EnvironmentFault(
            f"no artifact bundle at {folder} ({error.strerror or error}). Create one with `sixstack bundle fetch` or `sixstack lab bundle`"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BundleFault([Problem("bundle-manifest", str(path), f"is not JSON: {error}", "Fetch or build the bundle again")]) from error
    try:
        return BundleManifest.model_validate(document)
    except ValidationError as error:
        raise BundleFault(
            [
                Problem(
                    "bundle-manifest",
                    "/".join([str(path), *map(str, fault["loc"])]),
                    fault["msg"],
                    "Fetch or build the bundle again with this version of sixstack",
                )
                for fault in error.errors()
            ]
        ) from error
