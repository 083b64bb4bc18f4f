"""`sixstack bundle`: fetch, verify and show artifact bundles. Needs no Prefect server."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli.exit_codes import SUCCESS, USAGE
from cli.release import add_release

if TYPE_CHECKING:
    from bundle.manifest import BundleManifest

_EXAMPLES = """\
examples:
  sixstack bundle fetch                              # into the cache folder, for this machine's architecture
  sixstack bundle fetch --kubernetes 1.37.2          # another release than the default
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

    summary = "fetch a bundle from the published releases and verify every checksum; continues an interrupted fetch"
    fetch = actions.add_parser("fetch", help=summary, description=summary)
    fetch.add_argument("folder", nargs="?", type=Path, help="folder of the bundle; default: in the cache folder")
    add_release(fetch)
    fetch.add_argument("--architecture", choices=("amd64", "arm64"), help="of the hosts; default: this machine's")
    fetch.add_argument("--base-url", metavar="URL", help="a server with the same paths as the published servers")
    fetch.add_argument("--sources", metavar="FILE", type=Path, help="other addresses, in the format of bundle/sources.yaml")

    summary = "compare every file of a bundle with the manifest and list all differences"
    verify = actions.add_parser("verify", help=summary, description=summary)
    verify.add_argument("folder", type=Path)

    summary = "show the content of a bundle"
    show = actions.add_parser("show", help=summary, description=summary)
    show.add_argument("folder", type=Path)
    show.add_argument("--output", choices=("table", "json"), default="table")


def run(args: argparse.Namespace) -> int:
    """Run the chosen action; returns the exit code, errors are raised."""
    return {"fetch": _fetch, "verify": _verify, "show": _show}[args.action](args)


def _report(line: str) -> None:
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
        _report(f"sixstack: {error}")
        return USAGE
    if args.base_url:
        sources = sources.at(args.base_url)
    release = args.kubernetes
    folder = args.folder or default_folder(architecture, release)
    print(fetch_bundle(folder, architecture, sources, _report, release=release))
    return SUCCESS


def _manifest(folder: Path) -> BundleManifest | None:
    """The manifest; none, after saying why, when there is none to read."""
    from bundle.manifest import read_manifest
    from cluster.vocabulary.errors import SixstackError

    try:
        return read_manifest(folder)
    except SixstackError as error:
        _report(f"sixstack: {error}")
        return None


def _verify(args: argparse.Namespace) -> int:
    from bundle.verify import verify_bundle

    manifest = _manifest(args.folder)
    if manifest is None:
        return USAGE
    verify_bundle(args.folder, manifest)
    print(f"{manifest.name}: {len(manifest.files)} files, {manifest.total_size / 1e6:.0f} MB, all files match the manifest")
    return SUCCESS


def _show(args: argparse.Namespace) -> int:
    manifest = _manifest(args.folder)
    if manifest is None:
        return USAGE
    if args.output == "json":
        print(json.dumps(manifest.model_dump(mode="json"), indent=2))
        return SUCCESS
    print(f"{manifest.name}: Kubernetes {manifest.kubernetes_version}, {manifest.architecture}, {manifest.total_size / 1e6:.0f} MB")
    rows = [
        (file.kind.value, file.name, file.version, f"{file.size / 1e6:.1f} MB", ", ".join(file.images) or str(file.target))
        for file in manifest.files
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)] if rows else []
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]))
    return SUCCESS
