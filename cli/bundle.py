"""`sixstack bundle`: fetch, verify, register and show artifact bundles, and list their components. Only blocks need a Prefect server."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli.block_names import block_name
from cli.columns import print_columns
from cli.exit_codes import PROBLEMS, SUCCESS, USAGE
from cli.paths import path
from cli.programs import runnable
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
  sixstack bundle verify --block default             # also compares the manifest with the digest in the block
  sixstack bundle register /srv/bundle               # as block `default`; later runs refuse another manifest in that folder
  sixstack bundle show /srv/bundle --output json
  sixstack bundle sbom /srv/bundle > bundle.cdx.json
  sixstack bundle sbom --python > python.cdx.json

exit codes of verify: 0 when all files match, also when some are not pinned (each is named); 1 when a file or the manifest differs, or when
something is not pinned and --strict is given; 2 when there is no manifest to read.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    summary = "fetch a bundle from the published releases and verify every checksum; continues an interrupted fetch"
    fetch = actions.add_parser("fetch", help=summary, description=summary)
    fetch.add_argument("folder", nargs="?", type=path, help="folder of the bundle; default: in the cache folder")
    add_release(fetch)
    fetch.add_argument("--architecture", choices=("amd64", "arm64"), help="of the hosts; default: this machine's")
    fetch.add_argument("--base-url", metavar="URL", help="a server with the same paths as the published servers")
    fetch.add_argument("--sources", metavar="FILE", type=path, help="other addresses, in the format of bundle/sources.yaml")

    summary = "compare every file of a bundle with the manifest, and list all differences and everything that is not pinned"
    verify = actions.add_parser("verify", help=summary, description=summary)
    verified = verify.add_mutually_exclusive_group(required=True)
    verified.add_argument("folder", nargs="?", type=path)
    verified.add_argument(
        "--block", metavar="NAME", type=block_name, help="the bundle of this Artifact bundle block, with the digest that the block records"
    )
    verify.add_argument("--strict", action="store_true", help="exit with 1 when something is not pinned")

    summary = "verify a bundle and save it as an Artifact bundle block, with the digest of its manifest"
    register = actions.add_parser("register", help=summary, description=summary)
    register.add_argument("folder", type=path)
    register.add_argument("--name", type=block_name, default="default", help="name of the block; default: %(default)s")
    register.add_argument("--overwrite", action="store_true", help="replace the block of this name if it differs")

    summary = "show the content of a bundle"
    show = actions.add_parser("show", help=summary, description=summary)
    show.add_argument("folder", nargs="?", type=path, help="folder of the bundle; without it, the bundles in the cache folder are listed")
    show.add_argument("--output", choices=("table", "json"), default="table")

    summary = "print a software bill of materials in CycloneDX JSON"
    sbom = actions.add_parser("sbom", help=summary, description=summary)
    listed = sbom.add_mutually_exclusive_group(required=True)
    listed.add_argument("folder", nargs="?", type=path, help="folder of a bundle: its programs and images")
    listed.add_argument("--python", action="store_true", help="the Python packages that sixstack runs with")


def run(args: argparse.Namespace) -> int:
    """Run the chosen action; returns the exit code, errors are raised."""
    actions = {"fetch": _fetch, "verify": _verify, "register": _register, "show": _show, "sbom": _sbom}
    return actions[args.action](args)


def _report(line: str) -> None:
    print(runnable(line), file=sys.stderr, flush=True)


def _fetch(args: argparse.Namespace) -> int:
    from bundle.download import ServerUnreachable
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
    try:
        print(fetch_bundle(folder, architecture, sources, _report, release=release))
    except ServerUnreachable as fault:
        raise ServerUnreachable(
            f"{fault}. Fetch from a mirror (--base-url URL), or on a machine with a connection and copy the "
            "folder; or build a bundle from the Go module proxy and Debian's packages: sixstack lab bundle"
        ) from fault
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
    from bundle.manifest import manifest_sha256
    from bundle.verify import unpinned_files, verify_bundle

    remarks: tuple[str, ...] = ()
    folder = args.folder
    if args.block is not None:
        from blocks.artifact_bundle import ArtifactBundle
        from blocks.loading import load
        from cli.required_server import require_server

        require_server()
        block = load(ArtifactBundle, args.block)
        folder, manifest = block.path, block.manifest()
        remarks = tuple(f"not pinned: {problem.message}. {problem.hint}" for problem in block.remarks())
    elif (found := _manifest(folder)) is None:
        return USAGE
    else:
        manifest = found
    verify_bundle(folder, manifest)
    remarks = (*remarks, *unpinned_files(manifest))
    print("\n".join([*remarks, f"sha256 of the manifest: {manifest_sha256(folder)}"]))
    pinned = f", {len(remarks)} not pinned" if remarks else ""
    print(f"{manifest.name}: {len(manifest.files)} files, {manifest.total_size / 1e6:.0f} MB, all files match the manifest{pinned}")
    return PROBLEMS if remarks and args.strict else SUCCESS


def _register(args: argparse.Namespace) -> int:
    from bundle.verify import verify_bundle
    from cli.required_server import require_server

    if (manifest := _manifest(args.folder)) is None:
        return USAGE
    require_server()
    from blocks.artifact_bundle import ArtifactBundle
    from blocks.loading import load
    from blocks.saving import Saved, save

    block = ArtifactBundle.of(args.folder)
    verify_bundle(block.path, manifest)
    outcome = save(block, args.name, overwrite=args.overwrite)
    if outcome is Saved.DIFFERS:
        held = load(ArtifactBundle, args.name)
        _report(f"saved: {held.folder} with manifest sha256 {held.manifest_sha256 or '(not pinned)'}")
        _report(f"now:   {block.folder} with manifest sha256 {block.manifest_sha256}")
        _report(f"sixstack: block `{args.name}` has another bundle and was kept; --overwrite replaces it")
        return PROBLEMS
    print(f"artifact-bundle/{args.name}: {outcome}, {manifest.name}, manifest sha256 {block.manifest_sha256}")
    return SUCCESS


def _show(args: argparse.Namespace) -> int:
    if args.folder is None:
        return _show_all(args.output)
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


def _show_all(output: str) -> int:
    """The bundles that `sixstack bundle fetch` and `sixstack lab bundle` made on this machine."""
    from bundle.fetch import fetched_bundles

    found = fetched_bundles()
    if output == "json":
        shown = [
            {
                "folder": str(folder),
                "name": manifest.name,
                "kubernetes_version": manifest.kubernetes_version,
                "architecture": manifest.architecture,
            }
            for folder, manifest in found
        ]
        print(json.dumps(shown, indent=2))
        return SUCCESS
    if not found:
        _report("sixstack: there is no bundle in the cache folder. To create one: sixstack bundle fetch, or offline: sixstack lab bundle")
        return USAGE
    rows = [
        (manifest.kubernetes_version, str(manifest.architecture), f"{manifest.total_size / 1e6:.0f} MB", str(folder))
        for folder, manifest in found
    ]
    print_columns([("KUBERNETES", "ARCHITECTURE", "SIZE", "FOLDER"), *rows])
    print(runnable("\nFor the content of one: sixstack bundle show FOLDER"))
    return SUCCESS


def _sbom(args: argparse.Namespace) -> int:
    from bundle.sbom import bundle_sbom, python_sbom

    if args.python:
        print(python_sbom())
        return SUCCESS
    manifest = _manifest(args.folder)
    if manifest is None:
        return USAGE
    print(bundle_sbom(args.folder, manifest))
    return SUCCESS
