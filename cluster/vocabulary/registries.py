"""Where containerd pulls the images of a registry: its mirrors in order, then the registry itself."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from cluster.vocabulary.hostport import split_host_port
from cluster.vocabulary.spec import Images

ANY_REGISTRY = "_default"  # containerd's name for every registry that has no mirrors of its own
_HTTPS = 443


@dataclass(frozen=True, slots=True)
class Mirror:
    """One mirror. `override_path`: its path is the root of the registry API, and containerd must not append `/v2`."""

    url: str
    override_path: bool
    authority: str | None  # key of `images.ca`


@dataclass(frozen=True, slots=True)
class PullPlan:
    """The mirrors of a registry in order, and the certificate authority of the registry itself."""

    mirrors: tuple[Mirror, ...]
    authority: str | None  # key of `images.ca`


def pull_plans(images: Images) -> dict[str, PullPlan]:
    """By registry. A registry that only has a certificate authority keeps the mirrors of `_default`, which containerd would not read any more."""
    registries = (*images.mirrors, *(host for host in images.ca if host not in images.mirrors))
    default = images.mirrors.get(ANY_REGISTRY, ())
    authorities = Authorities(images)
    return {
        registry: PullPlan(
            tuple(_mirror(url, authorities) for url in images.mirrors.get(registry, default)),
            registry if registry in images.ca else None,
        )
        for registry in registries
    }


class Authorities:
    """The keys of `images.ca`, whatever the spelling of host and port."""

    def __init__(self, images: Images) -> None:
        # the first of two spellings
        self._keys = {_host(key): key for key in reversed(images.ca)}

    def key(self, url: str) -> str | None:
        """The key for a mirror; None without an authority."""
        host = _host(urlsplit(url).netloc)
        return self._keys.get(host) if host is not None else None


def _host(text: str) -> tuple[str, int] | None:
    try:
        return split_host_port(text.lower(), _HTTPS)
    except ValueError:
        return None  # a fault that rules malformed-mirror and malformed-ca report


def _mirror(url: str, authorities: Authorities) -> Mirror:
    path = urlsplit(url).path.rstrip("/")
    return Mirror(url, override_path=bool(path) and not path.endswith("/v2"), authority=authorities.key(url))
