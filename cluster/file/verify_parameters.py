"""Read the parameters of verify-cluster, which are untrusted input."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.families import Address
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import parse_address

# the namespace name has 17 more characters, and a DNS label has at most 63 (RFC 1123)
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")


class NotVerified(SpecError):
    """The parameters of verify-cluster are invalid."""

    headline = "nothing was checked"


@dataclass(frozen=True, slots=True)
class Verification:
    """One network check of a saved cluster."""

    cluster: str  # name of its Saved kubeconfig block
    image: str  # "": the image of the bundle, or the published image
    namespace: str  # prefix of the name of the check's namespace
    outside: tuple[Address, ...]  # addresses outside the cluster that pods must reach


def read_verification(cluster: Any, image: Any, namespace: Any, outside: Any) -> Verification:
    """The parameters. NotVerified lists every fault."""
    problems = [*_texts(cluster, image, namespace), *_addresses(outside)]
    if problems:
        raise NotVerified(problems)
    return Verification(cluster, image.strip(), namespace, tuple(parse_address(text) for text in outside))


def _texts(cluster: Any, image: Any, namespace: Any) -> Iterator[Problem]:
    if not isinstance(cluster, str) or not cluster:
        yield Problem(
            "wrong-type", "cluster", f"expected a non-empty string, got {cluster!r}", "write the name of a Saved kubeconfig block"
        )
    if not isinstance(image, str) or any(letter.isspace() for letter in image.strip()):
        yield Problem(
            "wrong-type",
            "image",
            f"{image!r} is not an image reference",
            "write an image reference such as registry.k8s.io/e2e-test-images/agnhost:2.63.0",
        )
    if not isinstance(namespace, str) or not _NAMESPACE.fullmatch(namespace):
        yield Problem(
            "wrong-type",
            "namespace",
            f"{namespace!r} cannot be the beginning of a namespace name",
            "write up to 42 lower-case letters, digits and hyphens",
        )


def _addresses(outside: Any) -> Iterator[Problem]:
    if not isinstance(outside, list | tuple):
        yield Problem("wrong-type", "outside", f"expected a list of addresses, got {outside!r}", "write a list of addresses")
        return
    for number, text in enumerate(outside):
        try:
            parse_address(text)
        except ValueError:
            yield Problem(
                "wrong-type", f"outside/{number}", f"{text!r} is not an IP address", "write an address that pods must be able to ping"
            )
