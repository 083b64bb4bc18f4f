"""Software bills of materials in CycloneDX JSON: of a bundle, and of the Python packages of this environment.

https://cyclonedx.org/docs/1.6/json/ and https://github.com/package-url/purl-spec
"""

from __future__ import annotations

import importlib.metadata
import re
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from bundle.faults import BundleFault
from bundle.manifest import MANIFEST_NAME, BundleFile, BundleManifest, FileKind, manifest_sha256
from bundle.verify import image_digests
from cluster.vocabulary.problems import Problem

LOCK = Path(__file__).parent.parent / "requirements.lock"
_TYPES = {FileKind.IMAGE: ComponentType.CONTAINER, FileKind.UNIT: ComponentType.FILE}
_NAMESPACE = uuid.UUID("0c5a3a52-6f3b-5d0c-9d57-3a4f0f6f2a11")  # of the serial numbers of this module


def bundle_sbom(folder: Path, manifest: BundleManifest) -> str:
    """The programs, units and images of a bundle. The same manifest has the same serial number.

    BundleFault with all archives that cannot be read, EnvironmentFault when one is missing.
    """
    digest = manifest_sha256(folder)
    root = Component(
        name=manifest.name,
        version=manifest.kubernetes_version,
        type=ComponentType.PLATFORM,
        bom_ref=f"bundle:{manifest.name}",
        hashes=[_sha256(digest)],
        properties=_properties({"file": MANIFEST_NAME, "architecture": manifest.architecture.value}),
    )
    components: list[Component] = []
    problems: list[Problem] = []
    for file in manifest.files:
        if file.kind is not FileKind.IMAGE:
            components.append(_program(file, manifest.architecture.value))
            continue
        try:
            digests = image_digests(folder, file)
        except ValueError as error:
            hint = "Run `sixstack bundle verify` and fetch or build the bundle again"
            problems.append(Problem("bundle-content-differs", str(folder / file.path), str(error), hint))
            continue
        components += [_image(file, reference, digest, manifest.architecture.value) for reference, digest in digests.items()]
    if problems:
        raise BundleFault(problems)
    return _json(root, components, uuid.uuid5(_NAMESPACE, digest))


def python_sbom(lock: Path = LOCK) -> str:
    """The installed Python packages, with the hashes of all their files that requirements.lock accepts."""
    locked = locked_hashes(lock.read_text(encoding="utf-8")) if lock.is_file() else {}
    # a package can be found twice on the path: the first one is imported
    installed: dict[str, str] = {}
    for found in importlib.metadata.distributions():
        installed.setdefault(_normalized(found.metadata["Name"]), found.version)
    root = Component(
        name="sixstack", version=installed.pop("sixstack", None), type=ComponentType.APPLICATION, bom_ref="python-environment:sixstack"
    )
    components = []
    for name, version in sorted(installed.items()):
        hashes = locked.get((name, version), ())
        purl = PackageURL("pypi", None, name, version)
        components.append(
            Component(
                name=name,
                version=version,
                type=ComponentType.LIBRARY,
                bom_ref=str(purl),
                purl=purl,
                hashes=[_sha256(digest) for digest in hashes],
                properties=_properties({"locked": "yes" if hashes else "no"}),
            )
        )
    content = "\n".join(str(component.purl) for component in components)
    return _json(root, components, uuid.uuid5(_NAMESPACE, content))


def locked_hashes(text: str) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """(name, version) -> sha256 of each file that a lock file with hashes accepts."""
    hashes: dict[tuple[str, str], tuple[str, ...]] = {}
    for entry in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE):
        named = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", entry)
        if named is not None:
            hashes[_normalized(named[1]), named[2]] = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry))
    return hashes


def _program(file: BundleFile, architecture: str) -> Component:
    return Component(
        name=file.name,
        version=file.version,
        type=_TYPES.get(file.kind, ComponentType.APPLICATION),
        bom_ref=f"file:{file.path}",
        # of the file on a host, which can be compared there
        hashes=[_sha256(file.content_sha256)],
        purl=_program_purl(file, architecture),
        properties=_file_properties(file),
        components=_parts(file, f"file:{file.path}") if len(_modules(file)) > 1 else [],
    )


def _program_purl(file: BundleFile, architecture: str) -> PackageURL:
    modules = _modules(file)
    if len(modules) == 1:
        return _module_purl(modules[0])
    qualifiers = {"arch": architecture, "checksum": f"sha256:{file.content_sha256}"}
    if file.origin is not None and "://" in file.origin.locations[0]:
        # the checksum of a purl is that of the download, which the manifest has only for a file without a tar file around it
        qualifiers = {"arch": architecture, "download_url": file.origin.locations[0]}
    return PackageURL("generic", None, file.name, file.version, qualifiers)


def _image(file: BundleFile, reference: str, digest: str, architecture: str) -> Component:
    repository, _, tag = reference.rpartition(":")
    ref = f"image:{reference}"
    return Component(
        name=repository,
        version=tag,
        type=ComponentType.CONTAINER,
        bom_ref=ref,
        # the digest of the image's manifest, as `ctr image ls` shows it
        hashes=[_sha256(digest.removeprefix("sha256:"))],
        purl=PackageURL(
            "oci", None, repository.rpartition("/")[2], digest, {"arch": architecture, "repository_url": repository, "tag": tag}
        ),
        properties=_file_properties(file),
        components=_parts(file, ref),
    )


def _parts(file: BundleFile, ref: str) -> list[Component]:
    """The Go modules and Debian packages that the file was built from."""
    purls = [_module_purl(module) for module in _modules(file)]
    if file.origin is not None:
        names = [place.removeprefix("debian:") for place in file.origin.locations if place.startswith("debian:")]
        purls += [PackageURL("deb", "debian", name) for name in names]
    return [
        Component(
            name="/".join(part for part in (purl.namespace, purl.name) if part),
            version=purl.version,
            type=ComponentType.LIBRARY,
            purl=purl,
            bom_ref=f"{ref}#{purl}",
        )
        for purl in purls
    ]


def _modules(file: BundleFile) -> list[str]:
    """The Go modules, as path@version."""
    places = file.origin.locations if file.origin is not None else ()
    return [place for place in places if re.fullmatch(r"[^:@]+@v[^@]+", place)]


def _module_purl(module: str) -> PackageURL:
    path, _, version = module.partition("@")
    namespace, _, name = path.rpartition("/")
    return PackageURL("golang", namespace, name, version)


def _file_properties(file: BundleFile) -> list[Property]:
    values = {"path": str(file.path), "stored-sha256": file.sha256}
    if file.target is not None:
        values["target"] = str(file.target)
    if file.origin is not None:
        values |= {"origin": " ".join(file.origin.locations), "pin": file.origin.pin.value, "digest-from": file.origin.digest_from}
    return _properties(values)


def _properties(values: Mapping[str, str]) -> list[Property]:
    return [Property(name=f"sixstack:{name}", value=value) for name, value in values.items()]


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _normalized(name: str) -> str:
    """The name of a Python package as in a purl: https://packaging.python.org/en/latest/specifications/name-normalization/."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _json(root: Component, components: Iterable[Component], serial: uuid.UUID) -> str:
    tools = ToolRepository(components=[Component(name="sixstack", type=ComponentType.APPLICATION, bom_ref="tool:sixstack")])
    bom = Bom(components=components, metadata=BomMetaData(component=root, tools=tools), serial_number=serial)
    bom.register_dependency(root, bom.components)
    return str(JsonV1Dot6(bom).output_as_string(indent=2))
