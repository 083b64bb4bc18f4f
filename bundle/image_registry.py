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
from bundle.download import Downloader
from bundle.manifest import Architecture
from bundle.sources import Sources
from cluster.vocabulary.errors import EnvironmentFault

_INDEXES = (IMAGE_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = (IMAGE_MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def pull(reference: str, architecture: Architecture, sources: Sources, downloads: Downloader) -> ArchivedImage:
    """Download and verify one image for Linux on `architecture`; EnvironmentFault has the reason when this fails."""
    try:
        return _pull(reference, architecture, sources, downloads)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # a document that does not follow the specification
        raise EnvironmentFault(f"{reference}: the registry's answer is not an image: {error!r}") from error


def _pull(reference: str, architecture: Architecture, sources: Sources, downloads: Downloader) -> ArchivedImage:
    name, _, tag = reference.rpartition(":")
    host, _, repository = name.partition("/")
    if host not in sources.registries:
        raise EnvironmentFault(f"{reference}: the sources have no registry {host}")
    remote = _Repository(f"{sources.registries[host].rstrip('/')}/v2/{repository}", repository, downloads)
    top = remote.manifest(sources.digests.get(reference, tag))
    manifest = remote.manifest(_platform(reference, json.loads(_content(top)), architecture)) if top.media_type in _INDEXES else top
    document = json.loads(_content(manifest))
    blobs = tuple(remote.blob(descriptor) for descriptor in (document["config"], *document["layers"]))
    config = json.loads(_content(blobs[0]))
    if config.get("architecture") != architecture.value:
        raise EnvironmentFault(f"{reference} is for {config.get('architecture')}, expected {architecture}")
    return ArchivedImage(reference, manifest, blobs)


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
        answer = self.downloads.get(url, headers, self._authorize)
        found = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        wanted = tag_or_digest if _DIGEST.fullmatch(tag_or_digest) else answer.headers.get("Docker-Content-Digest", found)
        if found != wanted:
            raise EnvironmentFault(f"{url}: digest is {found}, expected {wanted}")
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if media_type not in (*_INDEXES, *_MANIFESTS):
            raise EnvironmentFault(f"{url}: expected an image manifest, got {media_type or 'no media type'}")
        return Blob(media_type, found, len(answer.content), answer.content)

    def blob(self, descriptor: dict[str, Any]) -> Blob:
        """Download a configuration or layer."""
        digest = str(descriptor["digest"])
        if not _DIGEST.fullmatch(digest):
            raise EnvironmentFault(f"{self.url}: {digest} is not a sha256 digest")
        path = self.downloads.file(f"{self.url}/blobs/{digest}", digest.removeprefix("sha256:"), self._authorize)
        return Blob(str(descriptor["mediaType"]), digest, path.stat().st_size, path)

    def _authorize(self, response: httpx.Response) -> Mapping[str, str]:
        """Fetch an anonymous bearer token from the server in the 401 response (https://distribution.github.io/distribution/spec/auth/token/)."""
        challenge = response.headers.get("WWW-Authenticate", "")
        parameters = dict(re.findall(r'(?<!\w)(\w++)="([^"]*+)"', challenge))
        if not challenge.lower().startswith("bearer ") or "realm" not in parameters:
            raise EnvironmentFault(f"{response.request.url}: the registry requires a login ({challenge or 'no WWW-Authenticate header'})")
        query = {key: parameters[key] for key in ("service", "scope") if key in parameters}
        query.setdefault("scope", f"repository:{self.name}:pull")
        answer = self.downloads.get(str(httpx.URL(parameters["realm"]).copy_merge_params(query))).json()
        self._token = {"Authorization": f"Bearer {answer.get('token') or answer.get('access_token', '')}"}
        return self._token
