"""The root file systems that lab hosts share: a bare Debian with sshd for each release, built once in the cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bundle.cache import cache_folder
from cluster.vocabulary.errors import EnvironmentFault
from lab.command import command
from lab.mounts import remove_tree

# release of Debian -> its suite
SUITES = {12: "bookworm", 13: "trixie"}
DEFAULT_DEBIAN = 12
# suite -> further packages of a Debian server of this suite
# Since Debian 13 the settings that systemd had in 50-default.conf have a package of their own, which has the priority "important":
# https://packages.debian.org/trixie/linux-sysctl-defaults
FURTHER_PACKAGES = {"trixie": ("linux-sysctl-defaults",)}
# The packages of a Debian server. The product itself must install containerd, kubelet, zstd, conntrack and others.
PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "iputils-ping",
    "kmod",
    "less",
    "netbase",
    "nftables",
    "openssh-server",
    "procps",
    "sudo",
    "systemd",
    "systemd-sysv",
    "udev",
)
OPS_USER = "ops"  # sudo asks for the password
DEPLOY_USER = "deploy"  # sudo needs no password
_HERE = Path(__file__).parent / "root"
_NO_DOCS = ("path-exclude=/usr/share/man/*", "path-exclude=/usr/share/locale/*", "path-exclude=/usr/share/doc/*")

# Runs in the new root, after the files of lab/root are copied. The text is part of the base's key: a change rebuilds the base.
_CUSTOMIZE = f"""
set -eu
rm -f /etc/ssh/ssh_host_*_key*
: > /etc/machine-id
useradd --create-home --shell /bin/bash --groups sudo {OPS_USER}
useradd --create-home --shell /bin/bash {DEPLOY_USER}
echo '{DEPLOY_USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{DEPLOY_USER}
chmod 0440 /etc/sudoers.d/{DEPLOY_USER}
mkdir -p /lib/modules
systemctl enable systemd-networkd.service ssh.service lab-host.service
systemctl disable apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
# 15 minutes after the boot this timer would change files of a host that a test compares before and after
systemctl mask systemd-tmpfiles-clean.timer
systemctl mask console-getty.service container-getty@.service
# inotify instances are the machine's, 128 by default for all of root's processes: a node needs 11 to 25, so a host must be sparing
systemctl mask systemd-logind.service systemd-ask-password-console.path systemd-ask-password-wall.path
# sysctls that belong to the machine are read-only in a lab host: systemd-sysctl and `sysctl --system` must not stumble over Debian's own
for file in /usr/lib/sysctl.d/*.conf; do
  grep -E '^-?net[./]' "$file" > "/etc/sysctl.d/${{file##*/}}" || true
done
"""


def packages(suite: str) -> tuple[str, ...]:
    """The packages of the base of one suite, without their dependencies."""
    return (*PACKAGES, *FURTHER_PACKAGES.get(suite, ()))


def base_key(suite: str) -> str:
    """The key of the base's inputs: suite, packages, files and steps."""
    parts = [suite, *packages(suite), *_NO_DOCS, _CUSTOMIZE]
    parts += [f"{path.relative_to(_HERE)} {path.stat().st_mode & 0o777:o}\n{path.read_text()}" for path in _root_files()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _root_files() -> list[Path]:
    return sorted(path for path in _HERE.rglob("*") if path.is_file())


def ensure_base(report: Callable[[str], None], debian: int = DEFAULT_DEBIAN) -> Path:
    """The folder of the base of one release of Debian. Builds the base (25 to 70 s) if the cache does not have it.

    A build first removes incomplete bases, and the older bases of its release. The bases of other releases stay.
    """
    suite = SUITES[debian]
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    base = cache / f"lab-base-{suite}-{base_key(suite)}"
    if base.is_dir():
        return base
    with _only_one(cache) as lock:
        if base.is_dir():  # another process built the base during the wait
            return base
        mounted = Path("/proc/self/mountinfo").read_text()
        for stale in cache.glob("lab-base-*"):
            # incomplete, or an older version of this release that no lab uses
            older = stale.name.startswith(f"lab-base-{suite}-") and str(stale) not in mounted
            if stale.suffix == ".building" or older:
                remove_tree(stale)
        building = base.with_name(base.name + ".building")
        report(f"building the base of the lab hosts (Debian {debian}, {len(packages(suite))} packages and their dependencies) in {base}")
        _mmdebstrap(suite, building, lock, report)
        building.rename(base)
        report("the base is ready")
    return base


@contextmanager
def _only_one(folder: Path) -> Iterator[int]:
    """Allow one builder at a time. The lock ends with its holder and all processes that inherited the descriptor."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _mmdebstrap(suite: str, target: Path, lock: int, report: Callable[[str], None]) -> None:
    target.mkdir(parents=True)
    settings = target.with_suffix(".apt.conf")
    settings.write_text(apt_settings(command(["apt-config", "dump"])))
    sources = target.with_suffix(".sources")
    sources.mkdir()
    for name, text in sources_of(suite).items():
        (sources / name).write_text(text)
    argv = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        f"--include={','.join(packages(suite))}",
        f"--aptopt={settings}",
    ]
    argv += ['--aptopt=APT::Install-Recommends "false"', *(f"--dpkgopt={option}" for option in _NO_DOCS)]
    for path in _root_files():
        inside = "/" + str(path.relative_to(_HERE))
        argv += [f'--customize-hook=mkdir -p "$1{Path(inside).parent}"', f"--customize-hook=upload {path} {inside}"]
        argv += [f'--customize-hook=chmod {path.stat().st_mode & 0o111 | 0o644:o} "$1{inside}"']
    argv += ['--customize-hook=chroot "$1" sh -c "$LAB_CUSTOMIZE"', suite, str(target), *map(str, sorted(sources.iterdir()))]
    surroundings = {**os.environ, "LAB_CUSTOMIZE": _CUSTOMIZE, "TMPDIR": "/tmp"}
    # mmdebstrap inherits the lock: if this process is killed, the next builder waits until mmdebstrap has ended
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(argv, **streams, text=True, env=surroundings, pass_fds=(lock,)) as process:  # type: ignore[call-overload]
        assert process.stdout is not None
        tail: list[str] = []
        for line in process.stdout:
            tail = [*tail[-40:], line.rstrip()]
            if line.startswith(("I: downloading", "I: extracting", "I: installing", "I: success")):
                report("  " + line.removeprefix("I: ").rstrip())
    settings.unlink()
    remove_tree(sources)
    if process.returncode:
        remove_tree(target)
        raise EnvironmentFault("the base of the lab hosts could not be built; the last lines of mmdebstrap:\n" + "\n".join(tail))


def apt_settings(dump: str) -> str:
    """The lines of `apt-config dump` with this machine's access to its mirror (proxies, retries, clock checks), which the base needs too."""
    kept = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries", "Acquire::ForceIPv")
    return "".join(f"{line}\n" for line in dump.splitlines() if line.startswith(kept) and not line.endswith('"";'))


def sources_of(suite: str, etc: Path = Path("/etc")) -> dict[str, str]:
    """The apt source files of this machine, rewritten for `suite`: name -> text. A mirror has all suites of Debian.

    Empty if this machine is not a Debian of SUITES; mmdebstrap then uses its default mirror.
    """
    release = (etc / "os-release").read_text() if (etc / "os-release").exists() else ""
    own = next((name for name in SUITES.values() if f"VERSION_CODENAME={name}" in release.splitlines()), None)
    if own is None or "ID=debian" not in release.splitlines():
        return {}
    files = [
        etc / "apt/sources.list",
        *sorted((etc / "apt/sources.list.d").glob("*.list")),
        *sorted((etc / "apt/sources.list.d").glob("*.sources")),
    ]
    texts = {path.name: path.read_text() for path in files if path.is_file()}
    # a suite is a word of its own, also with a suffix (bookworm-security); a URI is none
    return {name: re.sub(rf"(?<!\S){own}(?![^\s-])", suite, text) for name, text in texts.items() if is_debians_own(text, own)}


def is_debians_own(text: str, suite: str) -> bool:
    """Whether an apt source file has the suite with component main. A bare host gets no third-party repositories."""
    words = {word for line in text.splitlines() if not line.lstrip().startswith("#") for word in line.split()}
    return {suite, "main"} <= words


def main() -> None:
    """Build only the base: `python -m lab.base`."""
    print(ensure_base(lambda line: print(line, file=sys.stderr)))


if __name__ == "__main__":
    main()
