"""The state of a lab between two commands: folder, state file, lock and keys."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_ssh_private_key

from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.families import Address, Family
from lab.base import DEFAULT_DEBIAN, OPS_USER
from lab.network import IPV4_RANGE, LabNetwork, free_index, lab_network, read_machine_networks

DEFAULT_LAB = "demo"
BOTH = (Family.IPV4, Family.IPV6)
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,7}[a-z0-9])?")  # `vb-NAME-20` and `six-NAME` are link names: at most 15 characters


@dataclass(frozen=True)
class LabHost:
    """One host of a lab, as shown by `status`. `addresses`: IPv4 first. `state`: running or off."""

    name: str
    number: int
    addresses: tuple[Address, ...]
    host_key: str
    state: str
    folder: Path

    @property
    def root(self) -> Path:
        """The mount point of the root file system while the host runs."""
        return self.folder / "root"

    def address(self, family: Family) -> Address | None:
        """The host's address of one family, or None."""
        return next((address for address in self.addresses if address.version == (4 if family is Family.IPV4 else 6)), None)


@dataclass(frozen=True)
class Lab:
    """The desired state of a lab (hosts, families, management, release of Debian) and its folder."""

    name: str
    folder: Path
    index: int
    hosts: int
    families: tuple[Family, ...]
    management: tuple[Family, ...]
    debian: int = DEFAULT_DEBIAN

    @property
    def network(self) -> LabNetwork:
        """The bridge and the ranges of the lab."""
        return lab_network(self.name, self.index)

    @property
    def key_file(self) -> Path:
        """The private SSH key (OpenSSH format, mode 0600) for root, ops and deploy on every host."""
        return self.folder / "id_ed25519"

    def host_name(self, number: int) -> str:
        """The name of host `number`, from 1."""
        return f"{self.name}-{number}"

    def host_folder(self, name: str) -> Path:
        """The folder of one host."""
        return self.folder / "hosts" / name

    def sudo_password(self) -> str:
        """The password of `ops`, for login and sudo."""
        return str(json.loads((self.folder / "passwords.json").read_text())[OPS_USER])


def labs_folder() -> Path:
    """The folder of all labs: $SIXSTACK_LAB_STATE, else /var/lib/sixstack-lab."""
    return Path(os.environ.get("SIXSTACK_LAB_STATE") or "/var/lib/sixstack-lab")


def check_name(name: str) -> str:
    """Return `name` if it is a valid name of a lab; ValueError otherwise."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a valid lab name: use 1 to 9 characters of a-z, 0-9 and -, start with a letter and do not end with - (links get this name)"
        )
    return name


def lab_folder(name: str) -> Path:
    """The state folder of the lab with this name."""
    return labs_folder() / check_name(name)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock `folder` (created if missing, mode 0700) for this process. The lock is on the folder itself, so no lock file remains."""
    while True:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # another process has just removed the folder
            continue
        fcntl.flock(handle, fcntl.LOCK_EX)
        if _is_still(handle, folder):
            break
        os.close(handle)
    try:
        yield
    finally:
        os.close(handle)


def _is_still(handle: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), folder.stat())
    except FileNotFoundError:
        return False


def load(name: str) -> Lab | None:
    """The lab with this name, or None."""
    folder = lab_folder(name)
    try:
        text = (folder / "lab.json").read_text()
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise EnvironmentFault(f"{folder} belongs to root: run this command as root") from error
    document: dict[str, Any] = json.loads(text)
    return Lab(
        name=name,
        folder=folder,
        index=document["index"],
        hosts=document["hosts"],
        families=tuple(Family(item) for item in document["families"]),
        management=tuple(Family(item) for item in document["management"]),
        debian=document.get("debian", DEFAULT_DEBIAN),  # an earlier version, which had no other release, did not write it
    )


def save(lab: Lab) -> None:
    """Write the state file atomically."""
    document = {"index": lab.index, "hosts": lab.hosts, "families": lab.families, "management": lab.management, "debian": lab.debian}
    write_private(lab.folder / "lab.json", json.dumps(document, indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file with mode 0600 atomically."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    part.rename(path)


def make_key(path: Path) -> str:
    """The public key (`ssh-ed25519 AAAA...`) of the private SSH key in `path`, which is created if missing."""
    if not path.exists():
        fresh = Ed25519PrivateKey.generate()
        write_private(path, fresh.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode())
    return public_key(path)


def public_key(path: Path) -> str:
    """The public key (`ssh-ed25519 AAAA...`) of the private SSH key in `path`."""
    return load_ssh_private_key(path.read_bytes(), None).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def make_credentials(lab: Lab) -> None:
    """Create the lab's SSH key and the password of `ops`, if missing."""
    make_key(lab.key_file)
    if not (lab.folder / "passwords.json").exists():
        write_private(lab.folder / "passwords.json", json.dumps({OPS_USER: secrets.token_urlsafe(16)}) + "\n")


def claim_index(lab: str, wanted: int | None) -> int:
    """Claim an index (which selects the ranges) that no other lab of this machine has, until `release_index`.

    The folder of the claims does not depend on $SIXSTACK_LAB_STATE, because the machine has the ranges only once. A claim ends with its lab folder.
    """
    with locked(_CLAIMS):
        for path in _CLAIMS.glob("*.part"):  # left by a process that was killed during its write
            path.unlink()
        claims = {int(path.name): path for path in _CLAIMS.iterdir() if path.name.isdigit()}
        mine = str(lab_folder(lab))
        for index, path in list(claims.items()):
            owner = path.read_text()
            if not Path(owner).is_dir() or owner == mine:
                path.unlink()
                del claims[index]
                if owner == mine and wanted is None:
                    wanted = index
        chosen = free_index(lab, claims.keys(), wanted, read_machine_networks())
        if chosen is None:
            raise EnvironmentFault(
                f"no address range is free for lab {lab}: remove another lab (`sixstack lab down --lab NAME`), or the interface that uses {IPV4_RANGE}"
            )
        write_private(_CLAIMS / str(chosen), mine)
        return chosen


def release_index(lab: str) -> None:
    """Release the lab's ranges. Safe when the lab has none."""
    if not _CLAIMS.is_dir():
        return
    with locked(_CLAIMS):
        for path in _CLAIMS.iterdir():
            if path.read_text() == str(lab_folder(lab)):
                path.unlink()
        if not any(_CLAIMS.iterdir()):
            _CLAIMS.rmdir()


_CLAIMS = Path("/var/lib/sixstack-lab/.ranges")
