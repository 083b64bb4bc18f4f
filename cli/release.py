"""The option `--kubernetes VERSION` of the commands that create a bundle."""

from __future__ import annotations

import argparse

from cluster.vocabulary.releases import DEFAULT_RELEASE, RELEASES, KubernetesRelease, exact_release


def add_release(parser: argparse.ArgumentParser) -> None:
    """Add the option; its value is the release, by default the default release of cluster files."""
    known = ", ".join(release.kubernetes for release in RELEASES)
    parser.add_argument(
        "--kubernetes",
        type=_release,
        default=DEFAULT_RELEASE,
        metavar="VERSION",
        help=f"Kubernetes version of the bundle: {known} (default: {DEFAULT_RELEASE.kubernetes})",
    )


def _release(text: str) -> KubernetesRelease:
    """The release of this version; a usage error names the known ones."""
    release = exact_release(text)
    if release is None:
        known = ", ".join(release.kubernetes for release in RELEASES)
        raise argparse.ArgumentTypeError(f"{text!r} is not a known version; known: {known}")
    return release
