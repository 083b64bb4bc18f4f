"""`sixstack backup-key FILE`: make an age identity for copies of etcd and PKI, print its public recipient, and save a Backup store block."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cli.block_names import block_name
from cli.exit_codes import PROBLEMS, SUCCESS, USAGE
from cli.paths import from_home


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument(
        "file", metavar="FILE", type=from_home, help="file of the private identity; created, readable for you only, unless it exists"
    )
    parser.add_argument(
        "--register", metavar="BLOCK", type=block_name, help="also save a Backup store block of this name, such as `default`"
    )
    parser.add_argument("--url", metavar="URL", help="with --register: folder of the worker's machine, or fsspec URL, for the copies")
    parser.add_argument("--overwrite", action="store_true", help="with --register: replace the block if it differs")


def run(options: argparse.Namespace) -> int:
    """0 when the identity is there, and the block is saved as asked. The recipient is the only line on standard output."""
    from blocks.age_identity import recipient_of

    if options.register is None and (options.url is not None or options.overwrite):
        print("sixstack: --url and --overwrite are settings of a block: name it with --register BLOCK", file=sys.stderr)
        return USAGE
    file = Path(options.file)
    new = not file.exists()
    recipient = recipient_of(file)
    print(recipient)
    advice = (
        "The identity decrypts every copy, and nothing else does: keep the file on another machine, and make a second copy of the file."
    )
    print(f"{'created' if new else 'read'} the private identity {file}. {advice}", file=sys.stderr)
    return _register(options.register, options.url, recipient, overwrite=options.overwrite) if options.register else SUCCESS


def _register(name: str, url: str | None, recipient: str, *, overwrite: bool) -> int:
    from blocks.backup_store import BackupStore
    from blocks.saving import Saved, save
    from cli.required_server import require_server

    require_server()
    block = BackupStore(recipient=recipient, **({"url": url} if url else {}))
    outcome = save(block, name, overwrite=overwrite)
    if outcome is Saved.DIFFERS:
        print(f"sixstack: the Backup store block `{name}` has other content and was kept; --overwrite replaces it", file=sys.stderr)
        return PROBLEMS
    print(f"backup-store/{name}: {outcome}. Copies go to {block.url}", file=sys.stderr)
    return SUCCESS
