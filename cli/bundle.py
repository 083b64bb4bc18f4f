"""`sixstack bundle`: fetch, verify and show artifact bundles. Needs no Prefect server."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli.exit_codes import GOOD, USAGE
from cli.release import add_release

if TYPE_CHECKING:
    from bundle.manifest import BundleManifest

_EXAMPLES = """\
examples:
  sixstack bundle fetch                              # into the cache folder, for this machine's architecture
  sixstack bundle fetch --kubernetes 1.37.2          # another release than the default one
  sixstack bundle fetch /srv/bundle --architecture arm64
  sixstack bundle fetch --base-url http://mirror.example:8080
  sixstack bundle verify /srv/bundle
  sixstack bundle show /srv/bundle --output json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    summary = "fill a folder from the published releases, every checksum verified; goes on where a broken one stopped"
    fetch = actions.add_parser("fetch", help=summary, description=summary)
    fetch.add_argument("folder", nargs="?", type=Path, help="where to put it; default: in the cache folder")
    add_release(fetch)
    fetch.add_argument("--architecture", choices=("amd64", "arm64"), help="of the hosts; default: this machine's")
    fetch.add_argument("--base-url", metavar="URL", help="one server that has the same paths as all the published ones")
    fetch.add_argument("--sources", metavar="FILE", type=Path, help="other addresses, in the form of bundle/sources.yaml")

    summary = "read every file of a bundle and compare it with the manifest; lists all that differ"
    verify = actions.add_parser("verify", help=summary, description=summary)
    verify.add_argument("folder", type=Path)

    summary = "show what a bundle holds"
    show = actions.add_parser("show", help=summary, description=summary)
    show.add_argument("folder", type=Path)
    show.add_argument("--output", choices=("table", "json"), default="table")


def run(args: argparse.Namespace) -> int:
    """Run the chosen action; returns the exit code, errors are raised."""
    return {"fetch": _fetch, "verify": _verify, "show": _show}[args.action](args)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _fetch(args: argparse.Namespace) -> int:
    from bundle.faults import BundleFault
    from bundle.fetch import default_folder, fetch_bundle
    from bundle.manifest import Architecture
    from bundle.sources import DEFAULT_SOURCES, read_sources

    architecture = Architecture(args.architecture) if args.architecture else Architecture.of_this_machine()
    try:
        sources = read_sources(args.sources or DEFAULT_SOURCES)
    except BundleFault as error:
        _say(f"sixstack: {error}")
        return USAGE
    if args.base_url:
        sources = sources.at(args.base_url)
    release = args.kubernetes
    folder = args.folder or default_folder(architecture, release)
    print(fetch_bundle(folder, architecture, sources, _say, release=release))
    return GOOD


def _manifest(folder: Path) -> BundleManifest | None:
    """The manifest; none, after saying why, when there is none to read."""
    from bundle.manifest import read_manifest
    from cluster.vocabulary.errors import SixstackError

    try:
        return read_manifest(folder)
    except SixstackError as error:
        _say(f"sixstack: {error}")
        return None


def _verify(args: argparse.Namespace) -> int:
    from bundle.verify import verify_bundle

    manifest = _manifest(args.folder)
    if manifest is None:
        return USAGE
    verify_bundle(args.folder, manifest)
    print(f"{manifest.name}: {len(manifest.files)} files, {manifest.total_size / 1e6:.0f} MB, all as the manifest says")
    return GOOD


def _show(args: argparse.Namespace) -> int:
    manifest = _manifest(args.folder)
    if manifest is None:
        return USAGE
    if args.output == "json":
        print(json.dumps(manifest.model_dump(mode="json"), indent=2))
        return GOOD
    print(f"{manifest.name}: Kubernetes {manifest.kubernetes_version}, {manifest.architecture}, {manifest.total_size / 1e6:.0f} MB")
    rows = [
        (file.kind.value, file.name, file.version, f"{file.size / 1e6:.1f} MB", ", ".join(file.images) or str(file.target))
        for file in manifest.files
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)] if rows else []
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]))
    return GOOD
