"""The manifest of an artifact bundle. The product uses only the manifest and does not depend on the origin of the files."""

from __future__ import annotations

import hashlib
import json
import platform
import stat
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bundle.faults import BundleFault
from bundle.targets import quoted, target_problems
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.problems import Problem

MANIFEST_NAME = "manifest.json"
FORMAT = 2
_OLDEST_FORMAT = 1  # without `origin`
# a manifest of 35 files has 20 KB
_LIMIT = 1_000_000
# programs have up to 100 MB, archives of images up to 40 MB
_LARGEST_FILE = 2 << 30
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
    if path.is_absolute() or ".." in path.parts or text in {"", ".", MANIFEST_NAME} or "\\" in text or not text.isprintable():
        raise ValueError(f"{text!r} is not a path inside the bundle's folder")
    return path


def _check_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse an unknown role: no host would get the file."""
    if not roles or set(roles) - set(ROLES):
        raise ValueError(f"expected one or more of {', '.join(ROLES)}, got {', '.join(roles) or 'none'}")
    return roles


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)]
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", max_length=100)]
# https://github.com/distribution/reference: a registry with a domain, a path of lower case, and a tag
ImageReference = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9][a-z0-9._-]*)+:[A-Za-z0-9_][A-Za-z0-9._-]*$", max_length=300)
]
Size = Annotated[int, Field(ge=0, le=_LARGEST_FILE)]
_Printable = Annotated[str, Field(pattern=r"^[ -~]+$", max_length=1000)]


class Pin(StrEnum):
    """What decided which content a file must have, before the file was fetched or built."""

    SOURCES = "sources"  # a digest in the sources file
    GO_SUM = "go.sum"  # go.sum has the hash of every module
    CHECKOUT = "checkout"  # a file of this repository
    CHECKSUM_FILE = "checksum-file"  # a digest from the server that also has the file
    TAG = "tag"  # the registry's answer for the image's tag
    DEBIAN = "debian"  # built with the packages that the signed Debian archive had on that day

    @property
    def fixed(self) -> bool:
        """Whether a server cannot choose other content: digest or hash were known before any server was asked."""
        return self in {Pin.SOURCES, Pin.GO_SUM, Pin.CHECKOUT}


class Origin(BaseModel):
    """Where a file is from, and how its digest became known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    locations: tuple[_Printable, ...] = Field(
        min_length=1, description="URL, image@digest, Go module@version, `debian:PACKAGE`, or path in this repository."
    )
    pin: Pin
    digest_from: _Printable = Field(description="The file or server that named the digest.")


class BundleFile(BaseModel):
    """One file of a bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[PurePosixPath, AfterValidator(_check_inside)] = Field(description="Path relative to the bundle's folder.")
    name: Name = Field(description="Name, such as kubeadm, kube-apiserver or flannel-cni-plugin.")
    kind: FileKind
    version: Version
    sha256: Sha256 = Field(description="sha256 of the stored file.")
    size: Size = Field(description="Size of the stored file in bytes.")
    encoding: Encoding
    content_sha256: Sha256 = Field(description="sha256 of the decoded file, as installed on a host.")
    content_size: Size = Field(description="Size of the decoded file in bytes.")
    target: PurePosixPath | None = Field(
        default=None, description="Path of the installed file on a host, one of bundle/targets.py; none for images."
    )
    mode: int = Field(default=0o644, ge=0, le=0o777)
    roles: Annotated[tuple[str, ...], AfterValidator(_check_roles)] = ROLES
    cni: Name | None = Field(
        default=None, description="CNI plug-in of the image, needed only with this pod network; none: every host needs the file."
    )
    images: tuple[ImageReference, ...] = Field(
        default=(), description="Full references of the images in the archive; only for image files."
    )
    origin: Origin | None = Field(default=None, description="Where the file is from; none in a manifest of format 1.")

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

    format: int = Field(default=FORMAT, ge=_OLDEST_FORMAT, le=FORMAT)
    name: Name
    kubernetes_version: str = Field(pattern=r"^v(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}$")
    architecture: Architecture
    files: tuple[BundleFile, ...] = Field(max_length=500)

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
    return parse_manifest(folder, manifest_content(folder))


def manifest_sha256(folder: Path) -> str:
    """The sha256 of the manifest, which an Artifact bundle block records; raises the errors of `manifest_content`."""
    return hashlib.sha256(manifest_content(folder)).hexdigest()


def manifest_content(folder: Path) -> bytes:
    """The bytes of the manifest; EnvironmentFault when they cannot be read, BundleFault when the file is too large."""
    path = folder / MANIFEST_NAME
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):  # reading a pipe would wait for ever
            raise EnvironmentFault(f"{path} is not a file")
        with path.open("rb") as stream:
            content = stream.read(_LIMIT + 1)
    except OSError as error:
        raise EnvironmentFault(
            f"no artifact bundle at {folder} ({error.strerror or error}). Create one with `sixstack bundle fetch` or `sixstack lab bundle`"
        ) from error
    if len(content) > _LIMIT:
        raise BundleFault([Problem("bundle-manifest", str(path), f"is larger than {_LIMIT // 1_000_000} MB", _AGAIN)])
    return content


_AGAIN = "Fetch or build the bundle again with this version of sixstack"


def parse_manifest(folder: Path, content: bytes) -> BundleManifest:
    """The manifest with this content; BundleFault with all problems when it is not valid."""
    path = str(folder / MANIFEST_NAME)
    try:
        document: Any = json.loads(content.decode())
    except (ValueError, RecursionError) as error:  # deep nesting exceeds the stack of the parser
        raise BundleFault([Problem("bundle-manifest", path, f"is not JSON: {str(error) or type(error).__name__}", _AGAIN)]) from error
    files = document.get("files") if isinstance(document, dict) else None
    problems = list(target_problems(f"{path}/files", files)) if isinstance(files, list) else []
    try:
        manifest = BundleManifest.model_validate(document)
    except ValidationError as error:
        invalid = [
            Problem(
                "bundle-manifest",
                "/".join([path, *map(str, fault["loc"])]),
                fault["msg"] if fault["type"] == "missing" else f"{fault['msg']}, got {quoted(fault['input'])}",
                _AGAIN,
            )
            for fault in error.errors()
        ]
        raise BundleFault([*invalid, *problems]) from error
    if problems:
        raise BundleFault(problems)
    return manifest
