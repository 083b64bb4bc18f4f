"""The URLs of the published releases, from sources.yaml or a file of the same format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bundle.faults import BundleFault
from bundle.manifest import Sha256
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.yaml_loader import NotYAML, load_document

DEFAULT_SOURCES = Path(__file__).parent / "sources.yaml"


def _check_placeholders(text: str) -> str:
    """Refuse an unknown placeholder."""
    try:
        text.format(version="", architecture="", name="")
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ValueError(f"{text!r} has a placeholder other than {{version}}, {{architecture}} and {{name}}") from error
    return text


Template = Annotated[str, AfterValidator(_check_placeholders)]
ImageDigest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Release(BaseModel):
    """A published file with its checksum file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Template
    checksum: Template
    member: Template | None = Field(default=None, description="Path in the tar file; none: the file is the program itself.")


class Sources(BaseModel):
    """All URLs of a fetch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    releases: dict[str, Release]
    registries: dict[str, str]
    digests: dict[str, ImageDigest] = {}
    # release -> version -> architecture -> file name
    checksums: dict[str, dict[str, dict[str, dict[str, Sha256]]]] = {}

    def checksum(self, release: str, version: str, architecture: str, file: str) -> str | None:
        """The pinned sha256 of a file of a release."""
        return self.checksums.get(release, {}).get(version, {}).get(architecture, {}).get(file)

    def at(self, base_url: str) -> Sources:
        """The same paths on another server."""
        base = base_url.rstrip("/")

        def rebased(url: str) -> str:
            _, _, rest = url.partition("://")
            _, slash, path = rest.partition("/")
            return f"{base}{slash}{path}"

        return self.model_copy(
            update={
                "releases": {
                    name: release.model_copy(update={"url": rebased(release.url), "checksum": rebased(release.checksum)})
                    for name, release in self.releases.items()
                },
                "registries": {name: rebased(url) for name, url in self.registries.items()},
            }
        )

    @property
    def servers(self) -> tuple[str, ...]:
        """scheme://host of every URL, without duplicates."""
        urls = [*(release.url for release in self.releases.values()), *self.registries.values()]
        return tuple(dict.fromkeys("{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in urls))


def read_sources(path: Path = DEFAULT_SOURCES) -> Sources:
    """Read a sources file; BundleFault with all problems when it is invalid."""
    hint = f"Write the file like {DEFAULT_SOURCES}"
    try:
        return Sources.model_validate(load_document(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, NotYAML) as error:
        raise BundleFault([Problem("bundle-sources", str(path), f"cannot be read: {error}", hint)]) from error
    except ValidationError as error:
        raise BundleFault(
            [Problem("bundle-sources", "/".join([str(path), *map(str, fault["loc"])]), fault["msg"], hint) for fault in error.errors()]
        ) from error
