"""`sixstack setup`: everything that a Prefect server needs for sixstack, in steps that find out what is there already."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from blocks.age_identity import recipient_of
from blocks.new_file import make_private_folder
from bundle.fetch import default_folder, fetched_bundles
from bundle.manifest import MANIFEST_NAME, Architecture
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.releases import DEFAULT_RELEASE
from server import hindrances, processes
from server.folder import ACTIVE, LOST, START_LIMIT, Report, ServerFolder, fault_of_api, free_port
from server.hindrances import user_name
from server.pointer import point_to, pointed_folder, remove_pointer
from server.postgres import fault_of_database
from server.services import Background, Services, SystemdUnits, services_of, temporary_folder, units_of, why_no_systemd

WORKER_LIMIT = 60.0  # seconds until a started worker reports to the server
SETUP_LIMIT = 2 * START_LIMIT  # seconds until another setup has started its server
PORTS = range(4200, 4300)  # from Prefect's own default


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for. Secrets were read from a file, from standard input or from the terminal."""

    port: int | None = None
    bundle: Path | None = None
    database: str | None = None  # connection URL of a PostgreSQL database, with its password
    server: str | None = None  # URL of the API of a server elsewhere
    server_auth: str | None = None  # its password, as USER:PASSWORD
    authority: Path | None = None  # file with the certificate of the authority that issued the one of that server
    public_url: str | None = None  # of the own server behind a reverse proxy
    in_background: bool = False


@dataclass(frozen=True)
class Installation(ServerFolder):
    """The folder that `sixstack setup` fills."""

    @property
    def home(self) -> Path:
        """Prefect's own folder, with the database unless it is PostgreSQL."""
        return self.root / "prefect"

    @property
    def audit(self) -> Path:
        """Folder of the audit records."""
        return self.root / "audit"

    @property
    def identity(self) -> Path:
        """The private age identity of the copies."""
        return self.root / "backups" / "identity.txt"

    @property
    def copies(self) -> Path:
        """Folder of the copies of etcd and PKI."""
        return self.root / "backups" / "copies"

    @property
    def names(self) -> tuple[str, ...]:
        """What runs on this machine."""
        return ("server", "worker") if self.settings.has_server else ("worker",)


def default_installation() -> Installation:
    """The folder that this user set up, else the default one."""
    if (pointed := pointed_folder()) is not None:
        return Installation(pointed)
    if os.geteuid() == 0:
        return Installation(Path("/srv/sixstack").resolve())
    try:
        data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    except RuntimeError:
        raise EnvironmentFault(f"user {user_name()} has no home folder: set HOME, or name a folder with --folder") from None
    return Installation((data / "sixstack").resolve())


@contextlib.contextmanager
def alone(place: Installation) -> Iterator[None]:
    """EnvironmentFault while another command changes what is in the folder."""
    descriptor = os.open(place.root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise EnvironmentFault(
            f"another `sixstack setup` or `sixstack server` works in {place.root}: wait for its end, then run this again"
        ) from None
    finally:
        os.close(descriptor)


def set_up(place: Installation, wishes: Wishes, report: Report) -> None:
    """Bring everything to the wished state; what is there stays. EnvironmentFault when a step fails: fix it and run again."""
    hindrances.raise_all(_hindrances(place, wishes))
    make_private_folder(place.root)
    with alone(place):
        _set_up(place, wishes, report)


def _set_up(place: Installation, wishes: Wishes, report: Report) -> None:
    report(f"folder: {place.root}")
    with only_setup(report) if wishes.server is None else contextlib.nullcontext():
        _write_settings(place, wishes, report)
        services = _installed_services(place, wishes, report)
        ended = start(place, services, report)
    place.deploy(report)
    _save_stores(place, report)
    _register_bundle(place, wishes.bundle, report)
    wait_for_worker(place, services, ended)
    point_to(place.root)
    report(f"commands of {user_name()} use this server in every folder, except where a prefect.toml, .env or variable names another one")


def _hindrances(place: Installation, wishes: Wishes) -> Iterator[str]:
    """Everything that can be known before anything is made."""
    settings = place.settings
    yield from hindrances.of_folder(place.root, is_set_up=settings.complete())
    yield from hindrances.of_home()
    refusal = None
    try:
        settings.file.read_bytes()
        refusal = _refusal(place, wishes)
    except OSError as error:
        if os.path.lexists(settings.file):
            refusal = f"cannot be read: {error.strerror}"
    if refusal is not None:
        yield f"{settings.file} {refusal}. Choose another --folder, or first: sixstack server down --purge"
    elif wishes.server is not None and wishes.server_auth is not None:
        user, _, password = wishes.server_auth.partition(":")
        authority = None if wishes.authority is None else str(wishes.authority)
        if (fault := fault_of_api(wishes.server, (user, password), trust_env=True, authority=authority)) is not None:
            yield f"the server at {wishes.server} {fault}"
    else:
        try:
            port = _port(place, wishes.port)
            # another program may have taken it since; an own server that answers, or is being started, has it too
            if port == place.port and free_port((port,)) is None and not services_of(place).runs("server") and not place.answers():
                yield f"port {port}, which {settings.file} names, is in use on 127.0.0.1 by another program: choose another one with --port"
        except EnvironmentFault as fault:
            yield str(fault)
        if wishes.database is not None and (unusable := fault_of_database(wishes.database)) is not None:
            yield unusable
    if not wishes.in_background and why_no_systemd(os.geteuid()) is None and (foreign := units_of(place).fault()) is not None:
        yield foreign


@contextlib.contextmanager
def only_setup(report: Report, limit: float = SETUP_LIMIT) -> Iterator[None]:
    """One setup at a time chooses a port and starts its server there: a port is free until then.

    An abstract socket (https://man7.org/linux/man-pages/man7/unix.7.html) is the lock. As a port, it belongs to a network namespace and to no user,
    and it ends with its process. EnvironmentFault when another setup takes longer than `limit` seconds.
    """
    deadline, waits = time.monotonic() + limit, False
    with socket.socket(socket.AF_UNIX) as lock:
        while True:
            try:
                lock.bind("\0sixstack setup")
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            if not waits:
                report("waiting for another `sixstack setup` on this machine")
                waits = True
            if time.monotonic() > deadline:
                raise EnvironmentFault(f"another `sixstack setup` on this machine has not started its server within {limit:.0f} s")
            time.sleep(0.2)
        yield


def start(place: Installation, services: Services, report: Report) -> str | None:
    """Start what does not run, and wait until the server answers. Returns the last report of a worker that has ended.

    The server counts such a worker as online for a minute and a half, and the new one has its name.
    """
    if "server" in place.names:
        if services.runs("server") and place.is_outdated():
            stop(place, services, report)
        report(f"server: {place.ui}, {services.kind}; log: {services.log('server')}")
        services.start("server")
        place.wait_until_it_answers(lambda: services.runs("server"), lambda: services.last_lines("server"))
        report(f"password of the UI, the text between the quotes: grep -m1 auth_string {place.settings.file}")
    elif (fault := place.fault()) is not None:
        raise EnvironmentFault(f"the server at {place.api} {fault}")
    place.create_work_pool()
    ended = None if services.runs("worker") else _last_report(place)
    services.start("worker")
    report(f"worker: {services.kind}; log: {services.log('worker')}")
    return ended


def _last_report(place: Installation) -> str | None:
    """When the worker of this machine last reported to the server, while the server counts it as online."""
    workers = place.ask("POST", f"/work_pools/{processes.POOL}/workers/filter", {})
    times = (found["last_heartbeat_time"] for found in workers if found["status"] == "ONLINE" and found["name"] == processes.worker_name())
    return next(times, None)


def wait_for_worker(place: Installation, services: Services, ended: str | None) -> None:
    """EnvironmentFault with the end of its log unless the worker of this machine reports to the server.

    `ended`: as `start` returned it.
    """
    deadline = time.monotonic() + WORKER_LIMIT
    while True:
        if _last_report(place) not in {None, ended}:
            return
        if not services.runs("worker") or time.monotonic() > deadline:
            raise EnvironmentFault(f"the worker did not start:\n{services.last_lines('worker')}")
        time.sleep(0.5)


def stop(place: Installation, services: Services, report: Report) -> None:
    """Stop the worker with its runs, then the server."""
    for name in reversed(place.names):
        report(f"{name}: {'stopped' if services.stop(name) else 'was not running'}")


def purge(place: Installation, services: Services, report: Report) -> None:
    """Stop and remove everything but the audit records, the copies with their key, and bundles. EnvironmentFault while a run is active."""
    if active := active_runs(place):
        raise EnvironmentFault(f"runs are active, and nothing was removed: {', '.join(active)}. Wait for them, or cancel them")
    stop(place, services, report)
    # files of a killed command, which have the password
    unfinished = place.root.glob(f".{place.settings.file.name}.*.new")
    if isinstance(services, SystemdUnits):
        services.remove()
        report("systemd units: removed")
    remove_pointer(place.root)
    database, has_own = _database(place), place.settings.has_server and place.settings.database is None
    for entry in (
        place.home,
        temporary_folder(place.root),
        place.settings.file,
        place.root / "server.log",
        place.root / "worker.log",
        *unfinished,
    ):
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    report("removed: settings, logs and the database" if has_own else f"removed: settings and logs. The database stays: {database}")
    for kept in sorted(place.root.iterdir()):
        report(f"kept: {kept}")


# a run reports these itself, as its last act: its process is about to end
REPORTED = ("COMPLETED", "FAILED")


def active_runs(place: Installation) -> list[str]:
    """The names of the runs that this machine executes, or that the own server has as active."""
    own = {process.pid: run for process in processes.flow_runs(place.api) if (run := processes.run_of(process)) is not None}
    with contextlib.suppress(EnvironmentFault):  # a stopped server has no active run beside those processes
        reported = {"id": {"any_": list(own.values())}, "state": {"type": {"any_": REPORTED}}}
        ended = {run["id"] for run in place.ask("POST", "/flow_runs/filter", {"flow_runs": reported})} if own else set()
        own = {pid: run for pid, run in own.items() if run not in ended}
        if place.settings.has_server and (active := place.runs_in(ACTIVE)):
            return [str(run["name"]) for run in active]
    return [f"process {pid}" for pid in own]


def status(place: Installation, services: Services) -> dict[str, Any]:
    """What runs, and where things are."""
    fault = place.fault()
    answers = fault is None
    return {
        "folder": str(place.root),
        "api": place.api,
        "answers": answers,
        "fault": fault,
        **{name: {"runs": services.runs(name), "as": services.kind, "log": services.log(name)} for name in place.names},
        "database": _database(place),
        "active_runs": active_runs(place) if answers else [],
        "interrupted_runs": _interrupted_runs(place) if answers else [],
        "blocks": {slug: _held(place, slug) for slug in ("artifact-bundle", "audit-store", "backup-store")} if answers else {},
    }


def _interrupted_runs(place: Installation) -> list[dict[str, str]]:
    """The runs of the last day whose worker was killed, and that were not run again. Their subflows are left out: a retry includes them."""
    since = datetime.now(UTC) - timedelta(days=1)
    wanted = {
        "state": {"type": {"any_": ["CRASHED"]}},
        "end_time": {"after_": since.isoformat()},
        "parent_task_run_id": {"is_null_": True},
    }
    found = place.ask("POST", "/flow_runs/filter", {"flow_runs": wanted})
    killed = [run for run in found if run["state"]["message"] == LOST]
    deployments = [run["deployment_id"] for run in killed if run["deployment_id"] is not None]
    wanted = {"deployment_id": {"any_": deployments}, "expected_start_time": {"before_": datetime.now(UTC).isoformat()}}
    same = place.ask("POST", "/flow_runs/filter", {"flow_runs": wanted, "sort": "EXPECTED_START_TIME_DESC"}) if deployments else []
    return [{"name": str(run["name"]), "id": str(run["id"])} for run in killed if not any(_replaces(other, run) for other in same)]


def _replaces(other: dict[str, Any], killed: dict[str, Any]) -> bool:
    """Whether a run of the same deployment goes on for the killed one: the automation's, or that of a person who ran the command again.

    It has the same parameters or the same cluster, and had not ended before. A retry would bring an older cluster file back.
    """
    if other["id"] == killed["id"] or other["deployment_id"] != killed["deployment_id"]:
        return False
    if other["end_time"] is not None and datetime.fromisoformat(other["end_time"]) <= datetime.fromisoformat(killed["end_time"]):
        return False
    clusters = [{tag for tag in run["tags"] if tag.startswith("cluster:")} for run in (other, killed)]
    return other["parameters"] == killed["parameters"] or bool(clusters[0] & clusters[1])


def _database(place: Installation) -> str:
    """Where blocks and runs are, for people."""
    if not place.settings.has_server:
        return f"that of the server at {place.api}"
    held = place.settings.database
    return str(place.home / "prefect.db") if held is None else without_password(held)


def without_password(url: str) -> str:
    """A connection URL for people."""
    parts = urlsplit(url)
    user = f"{parts.username}@" if parts.username else ""
    return f"postgresql://{user}{parts.netloc.rpartition('@')[2]}{parts.path}"


def _write_settings(place: Installation, wishes: Wishes, report: Report) -> None:
    """Write prefect.toml unless it is as wished. What runs with an older one is stopped."""
    settings = place.settings
    before = settings.file.read_bytes() if settings.file.exists() else b""
    if wishes.server is not None and wishes.server_auth is not None:
        settings.write_for(wishes.server, wishes.server_auth, home=place.home, authority=wishes.authority)
    elif not before or settings.has_server:
        settings.write(
            home=place.home,
            port=_port(place, wishes.port),
            database=wishes.database or settings.database,
            public_url=wishes.public_url or settings.public_url,
        )
    changed = settings.file.read_bytes() != before
    report(f"settings: {settings.file}, {'written' if changed else 'unchanged'}. Only {user_name()} can read it: it has the password")
    if wishes.database:
        report(f"database: {without_password(wishes.database)}")
    if changed and before:
        services = services_of(place)
        for name in reversed(place.names):
            services.stop(name)


def _refusal(place: Installation, wishes: Wishes) -> str | None:
    """Why this folder cannot become what is wished: blocks and runs would be left behind in another database."""
    settings = place.settings
    if not settings.complete():
        return "is not of sixstack: it has no API with a password"
    if settings.has_server and wishes.server is not None:
        return "is of a server of its own"
    if not settings.has_server and (wishes.database is not None or wishes.port is not None or wishes.public_url is not None):
        return f"is for the server at {place.api}"
    if wishes.server is not None and wishes.server != place.api:
        return f"is for another server, {place.api}"
    held = settings.database
    if wishes.database is not None and (held is None or without_password(held) != without_password(wishes.database)):
        return (
            f"has another database, {'SQLite' if held is None else without_password(held)}, whose blocks and runs would not be carried over"
        )
    return None


def _port(place: Installation, wished: int | None) -> int:
    """The wished port, else that of the previous start, else a free one."""
    held = place.port
    if held is not None and wished in {None, held}:
        return held
    if (port := free_port(PORTS if wished is None else (wished,))) is not None:
        return port
    taken = f"port {wished} is" if wished is not None else f"ports {PORTS[0]} to {PORTS[-1]} are"
    raise EnvironmentFault(f"{taken} in use on 127.0.0.1: choose another one with --port")


def _installed_services(place: Installation, wishes: Wishes, report: Report) -> Services:
    """Install the units; processes in the background where there is no systemd, or when they are wished."""
    units, reason = units_of(place), None if wishes.in_background else why_no_systemd(os.geteuid())
    if wishes.in_background or reason is not None:
        if units.installed:
            stop(place, units, report)
            units.remove()
        if reason is not None:
            report(f"{reason}: server and worker run in the background. After a reboot, start them: sixstack server up")
        return Background(place)
    background = Background(place)
    for name in place.names:
        background.stop(name)
    units.install(place.names)
    if not units.lingers():
        report(
            f"the units end with your last session and do not start at boot. An administrator changes this: loginctl enable-linger {user_name()}"
        )
    return units


def _save_stores(place: Installation, report: Report) -> None:
    """Save the Audit store and Backup store blocks, unless there are some."""
    blocks: dict[str, dict[str, dict[str, Any]]] = {}
    if _held(place, "audit-store") is None:
        blocks["audit-store"] = {"default": {"url": str(place.audit)}}
    if _held(place, "backup-store") is None:
        blocks["backup-store"] = {"default": {"url": str(place.copies), "recipient": recipient_of(place.identity)}}
    if blocks:
        place.save_blocks(blocks)
    report(f"audit records: {_held(place, 'audit-store')}")
    report(f"copies of etcd and PKI: {_held(place, 'backup-store')}")
    if place.identity.exists():
        report(f"key of the copies: {place.identity}. Nothing else decrypts them: save it on another machine")


def _register_bundle(place: Installation, wished: Path | None, report: Report) -> None:
    """Save the Artifact bundle block, or say how to get a bundle."""
    held = _held(place, "artifact-bundle")
    if wished is None and held is not None:
        report(f"bundle: {held}")
        return
    folder = wished or present_bundle()
    if folder is None:
        report("bundle: none yet. To fetch and register it: sixstack bundle fetch && sixstack setup")
        return
    report(f"bundle: {folder}; comparing every file with the manifest")
    place.python("cli", "bundle", "register", str(folder.absolute()), "--overwrite")


def present_bundle() -> Path | None:
    """The bundle of the default release for this machine's architecture, fetched or built: the newest one."""
    architecture = Architecture.of_this_machine()
    if (fetched := default_folder(architecture) / MANIFEST_NAME).exists():
        return fetched.parent
    built = [
        folder / MANIFEST_NAME
        for folder, manifest in fetched_bundles()
        if (manifest.kubernetes_version, manifest.architecture) == (f"v{DEFAULT_RELEASE.kubernetes}", architecture)
    ]
    return max(built, key=lambda path: path.stat().st_mtime).parent if built else None


def _held(place: Installation, slug: str) -> str | None:
    """The folder or URL of the block `default` of this type; None when there is none."""
    document = place.ask("GET", f"/block_types/slug/{slug}/block_documents/name/default")
    return None if document is None else str(document["data"].get("folder") or document["data"].get("url"))
