"""Downloads images from a registry with the OCI distribution API, by digest.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import httpx

from bundle.archive import IMAGE_INDEX, IMAGE_MANIFEST, ArchivedImage, Blob
from bundle.download import DOCUMENT_LIMIT, Downloader, refuse_downgrade
from bundle.manifest import Architecture, Origin, Pin
from bundle.sources import Sources
from cluster.vocabulary.errors import EnvironmentFault

_INDEXES = (IMAGE_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = (IMAGE_MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# the layers of a bundle's images have up to 100 MB
_LAYER_LIMIT = 1 << 30
# https://docs.docker.com/build/building/best-practices/: overlayfs has up to 128 lower folders
_MOST_LAYERS = 127


def pull(reference: str, architecture: Architecture, sources: Sources, downloads: Downloader) -> tuple[ArchivedImage, Origin]:
    """Download and verify one image for Linux on `architecture`; EnvironmentFault has the reason when this fails."""
    try:
        return _pull(reference, architecture, sources, downloads)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:  # a document that does not follow the specification
        raise EnvironmentFault(f"{reference}: the registry's answer is not an image: {error!r}") from error


def _pull(reference: str, architecture: Architecture, sources: Sources, downloads: Downloader) -> tuple[ArchivedImage, Origin]:
    name, _, tag = reference.rpartition(":")
    host, _, repository = name.partition("/")
    if host not in sources.registries:
        raise EnvironmentFault(f"{reference}: the sources have no registry {host}")
    remote = _Repository(f"{sources.registries[host].rstrip('/')}/v2/{repository}", repository, downloads)
    pinned = sources.digests.get(reference)
    top = remote.manifest(pinned or tag)
    manifest = remote.manifest(_platform(reference, json.loads(_content(top)), architecture)) if top.media_type in _INDEXES else top
    document = json.loads(_content(manifest))
    if len(document["layers"]) > _MOST_LAYERS:
        raise EnvironmentFault(f"{reference} has {len(document['layers'])} layers, at most {_MOST_LAYERS} are expected")
    config_blob = remote.blob(document["config"], DOCUMENT_LIMIT)
    blobs = (config_blob, *(remote.blob(descriptor, _LAYER_LIMIT) for descriptor in document["layers"]))
    config = json.loads(_content(config_blob))
    if config.get("architecture") != architecture.value:
        raise EnvironmentFault(f"{reference} is for {config.get('architecture')}, expected {architecture}")
    origin = Origin(
        locations=(f"{name}@{top.digest}",),
        pin=Pin.SOURCES if pinned else Pin.TAG,
        digest_from="the sources file" if pinned else f"tag {tag} at {sources.registries[host]}",
    )
    return ArchivedImage(reference, manifest, blobs), origin


def _platform(reference: str, index: dict[str, Any], architecture: Architecture) -> str:
    """The digest of the manifest for Linux on `architecture`."""
    for descriptor in index["manifests"]:
        platform = descriptor.get("platform", {})
        if (platform.get("os"), platform.get("architecture")) == ("linux", architecture.value):
            return str(descriptor["digest"])
    raise EnvironmentFault(f"{reference} is not published for linux/{architecture}")


def _content(blob: Blob) -> bytes:
    return blob.source if isinstance(blob.source, bytes) else blob.source.read_bytes()


class _Repository:
    """One repository of one registry. A token is fetched when the registry requires one, and reused."""

    def __init__(self, url: str, name: str, downloads: Downloader) -> None:
        self.url, self.name, self.downloads = url, name, downloads
        self._token: dict[str, str] = {}

    def manifest(self, tag_or_digest: str) -> Blob:
        """Download a manifest or index. If a digest is given, the content must match it."""
        url = f"{self.url}/manifests/{tag_or_digest}"
        headers = {"Accept": ", ".join((*_INDEXES, *_MANIFESTS)), **self._token}
        answer = self.downloads.document(url, headers, self._authorize)
        found = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        wanted = tag_or_digest if _DIGEST.fullmatch(tag_or_digest) else answer.headers.get("Docker-Content-Digest", found)
        if found != wanted:
            raise EnvironmentFault(f"{url}: digest is {found}, expected {wanted}")
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if media_type not in (*_INDEXES, *_MANIFESTS):
            raise EnvironmentFault(f"{url}: expected an image manifest, got {media_type or 'no media type'}")
        return Blob(media_type, found, len(answer.content), answer.content)

    def blob(self, descriptor: dict[str, Any], limit: int) -> Blob:
        """Download a configuration or layer, which has exactly the size in its descriptor."""
        digest, size = str(descriptor["digest"]), descriptor["size"]
        if not _DIGEST.fullmatch(digest):
            raise EnvironmentFault(f"{self.url}: {digest[:100]} is not a sha256 digest")
        if type(size) is not int or not 0 <= size <= limit:
            raise EnvironmentFault(f"{self.url}: {digest} has the size {str(size)[:100]}, at most {limit} is expected")
        path = self.downloads.file(f"{self.url}/blobs/{digest}", digest.removeprefix("sha256:"), size, self._authorize)
        if path.stat().st_size != size:
            raise EnvironmentFault(f"{self.url}: {digest} has {path.stat().st_size} bytes, but the image's manifest says {size}")
        return Blob(str(descriptor["mediaType"]), digest, size, path)

    def _authorize(self, response: httpx.Response) -> Mapping[str, str]:
        """Fetch an anonymous bearer token from the server in the 401 response (https://distribution.github.io/distribution/spec/auth/token/)."""
        challenge = response.headers.get("WWW-Authenticate", "")
        parameters = dict(re.findall(r'(?<!\w)(\w++)="([^"]*+)"', challenge))
        if not challenge.lower().startswith("bearer ") or "realm" not in parameters:
            raise EnvironmentFault(f"{response.request.url}: the registry requires a login ({challenge or 'no WWW-Authenticate header'})")
        query = {key: parameters[key] for key in ("service", "scope") if key in parameters}
        query.setdefault("scope", f"repository:{self.name}:pull")
        realm = httpx.URL(parameters["realm"])
        refuse_downgrade(response.request.url, realm)
        answer = json.loads(self.downloads.document(str(realm.copy_merge_params(query))).content)
        self._token = {"Authorization": f"Bearer {answer.get('token') or answer.get('access_token', '')}"}
        return self._token
