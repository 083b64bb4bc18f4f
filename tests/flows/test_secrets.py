"""Canary: secrets of a real cluster's making are in none of the places that keep or show something, and each search would find one.

The secrets are those that the create really used. What proves a search has markers of its own (tests/secret_search.py), so that what it
leaves behind in free pages of a database is no secret.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from bundle.manifest import MANIFEST_NAME
from bundle.verify import sha256_of
from lab import hosts
from lab.base import OPS_USER
from lab.host import init_pid
from tests.conftest import LAB, MODES, CommandLines, MadeCluster, encrypted_key, say
from tests.secret_search import Found, SecretSearch, awkward_password, kinds_of, marker_text, markers

pytestmark = [pytest.mark.lab, pytest.mark.server, pytest.mark.parametrize("made", MODES[:1], indirect=True, ids=str)]

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----\n.*?-----END \1-----\n", re.DOTALL)
# the files that kubeadm and kubelet keep on a host, and etcd's data
KEPT = ("etc/kubernetes", "var/lib/kubelet", "var/lib/etcd")
SAVE_WEBHOOK = "from prefect.blocks.webhook import Webhook; import sys; Webhook(url=sys.stdin.read()).save('canary', overwrite=True)"
EMIT = str(Path(__file__).parent.parent / "cli" / "emit_events.py")
API_PASSWORD = "password of the Prefect API"
IDENTITY = "age identity"


@dataclass
class Failures:
    """Commands that failed, each with a secret near its fault: what they printed."""

    secrets: dict[str, str] = field(default_factory=dict)
    output: dict[str, str] = field(default_factory=dict)


@dataclass
class Canary:
    """The cluster, what is secret, and the commands that failed."""

    made: MadeCluster
    secrets: SecretSearch
    failures: Failures
    bundle: Path
    states: dict[str, tuple[str, str]] = field(
        default_factory=dict, init=False
    )  # of a run's path: the id of its last state, and all of them


def host_root(name: str) -> Path:
    """Everything that a host has mounted, from this machine."""
    return Path(f"/proc/{init_pid(hosts.machine_of(name, LAB))}/root")


def on_host(name: str, script: str, feed: str = "") -> str:
    """Run a script as root on a host; what it printed."""
    done = hosts.run_in(name, ["sh", "-c", script], LAB, limit=120, feed=feed)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def host_names(made: MadeCluster) -> list[str]:
    """The hosts of the cluster, the control plane first."""
    return [host["name"] for host in made.document["hosts"]]


def keys_of_hosts(made: MadeCluster) -> tuple[dict[str, str], list[str]]:
    """The private keys that kubeadm and kubelet made, and the certificates beside them."""
    secret: dict[str, str] = {}
    public: list[str] = []
    for name in host_names(made):
        root = host_root(name)
        for path in sorted(
            file for kept in KEPT[:2] for file in (root / kept).glob("**/*") if file.suffix in {".key", ".conf", ".pem", ".crt", ".pub"}
        ):
            if not path.is_file() or "pods" in path.relative_to(root).parts:
                continue
            text = path.read_text()
            for block in _PEM.finditer(text):
                if "PRIVATE" in block[1]:
                    secret[f"{path.relative_to(root)} of {name}"] = block[0]
                else:
                    public.append(block[0])
            for user in (yaml.safe_load(text).get("users") or ()) if path.suffix == ".conf" else ():
                if "client-key-data" in user["user"]:
                    secret[f"client-key-data in {path.name} of {name}"] = user["user"]["client-key-data"]
                    public.append(base64.b64decode(user["user"]["client-certificate-data"]).decode())
    return secret, public


def bootstrap_tokens(made: MadeCluster) -> dict[str, str]:
    """The tokens of the joins, and what the cluster still has."""
    tokens = {f"bootstrap token {number}": token for number, token in enumerate(sorted(made.command_lines.join_tokens))}
    for item in made.objects("secrets", "-n", "kube-system", "--field-selector", "type=bootstrap.kubernetes.io/token")["items"]:
        token_id, secret = (base64.b64decode(item["data"][name]).decode() for name in ("token-id", "token-secret"))
        tokens[f"bootstrap token of kubeadm {token_id}"] = secret
    return tokens


@pytest.fixture(scope="module")
def canary(made: MadeCluster, bundle_folder: Path) -> Canary:
    """What the create used, what it made, and what failing commands had."""
    lab, prefect = hosts.lab_of(LAB), made.place.prefect
    failures = fail_in_many_ways(made)
    keys, public = keys_of_hosts(made)
    assert len([kind for kind in keys if "client-key-data" in kind]) >= 4  # admin, super-admin, controller-manager, scheduler
    assert {f"etc/kubernetes/pki/{name}.key of {host_names(made)[0]}" for name in ("ca", "sa", "front-proxy-ca", "etcd/ca")} <= set(keys)
    assert made.command_lines.join_tokens, "no token of a join was seen"
    (identity,) = [line for line in prefect.identity.read_text().splitlines() if line.startswith("AGE-SECRET-KEY-1")]
    secrets = {
        "private SSH key": lab.key_file.read_text(),
        "password for login and sudo": lab.sudo_password(),
        API_PASSWORD: prefect.settings.credential[1],
        IDENTITY: identity,
        **made.place.planted,
        **keys,
        **bootstrap_tokens(made),
        **failures.secrets,
    }
    # a private key in OpenSSH's format begins with the public one, which is in authorized_keys of every host
    login = load_ssh_private_key(lab.key_file.read_bytes(), None).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    public.append(login.decode().split()[1])
    canary = Canary(made, SecretSearch(secrets, public), failures, bundle_folder)
    made.after_delete.append(lambda _printed, watched: after_the_delete(canary, watched))
    return canary


# --- commands that fail with a secret near the fault


def fail_in_many_ways(made: MadeCluster) -> Failures:
    """Wrong credentials, a damaged kubeconfig, a password in a cluster file, a join token that is no longer valid, a proxy that refuses, a webhook
    that does not answer."""
    failures = Failures()
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(act, made, failures) for act in (_refusing_proxy, _unreachable_webhook)]
        for act in (_wrong_credentials, _damaged_admin_conf, _password_in_the_file, _expired_join_token):
            act(made, failures)
    for each in waiting:
        each.result()
    return failures


def _wrong_credentials(made: MadeCluster, failures: Failures) -> None:
    key_file = hosts.lab_of(LAB).key_file
    wrong = {kind: awkward_password() for kind in ("wrong sudo password", "wrong passphrase", "wrong login password")}
    credentials = {
        "wrong-sudo": {"private_key": key_file.read_text(), "sudo_password": wrong["wrong sudo password"]},
        "wrong-passphrase": {"private_key": encrypted_key(key_file, "another"), "passphrase": wrong["wrong passphrase"]},
        "wrong-login": {"password": wrong["wrong login password"]},
    }
    made.place.register(credentials)
    document = deepcopy(made.document)
    for host, name in zip(document["hosts"], credentials, strict=False):
        host["ssh"] |= {"user": OPS_USER, "credential": name}
    failures.secrets |= wrong
    _fails(made, failures, "wrong credentials", "create", made.place.write("wrong-credentials.yaml", document))


def _damaged_admin_conf(made: MadeCluster, failures: Failures) -> None:
    path = host_root(host_names(made)[0]) / "etc/kubernetes/admin.conf"
    before = path.read_text()
    for what, after in {
        "YAML that cannot be read": before.replace("client-key-data: ", "client-key-data: [", 1),
        "a key that is not base64": before.replace("client-key-data: ", "client-key-data: ?", 1),
        "a key of other bytes": re.sub(r"(client-key-data: .{200})", r"\1AAAA", before, count=1),
    }.items():
        assert after != before
        try:
            path.write_text(after)
            _fails(made, failures, f"admin.conf with {what}", "create", made.file)
        finally:
            path.write_text(before)


def _password_in_the_file(made: MadeCluster, failures: Failures) -> None:
    """A cluster file with a secret is refused before it becomes parameters of a run."""
    failures.secrets["password of the proxy in a file"] = password = f"canary-{uuid4().hex}"
    for number, port in enumerate(("3128", "0")):  # the second is also no URL
        document = deepcopy(made.document) | {"proxy": {"http": f"http://user:{password}@192.0.2.9:{port}"}}
        file = made.place.write("secret-in-file.yaml", document)
        for command in ("check", "plan", "create"):
            _fails(made, failures, f"{command} with a password in file {number}", command, file)
        Path(file).unlink()


# waits until the token is gone, and gives up at once where kubeadm would look for its signature for two minutes
JOIN_LATE = r"""
cat >/usr/local/sbin/kubeadm <<'END'
#!/bin/sh
if [ "$1" = join ]; then
  : >/run/joining
  for try in $(seq 600); do if [ -e /run/expired ]; then break; fi; sleep 0.1; done
  sed -i 's/2m0s/2s/' "$SIXSTACK_STEP_DIR/join.yaml"
fi
exec /usr/local/bin/kubeadm "$@"
END
chmod 755 /usr/local/sbin/kubeadm
"""


def _expired_join_token(made: MadeCluster, failures: Failures) -> None:
    """A worker joins again, and its token goes between the start of kubeadm and its first request. Afterwards it joins with another token."""
    worker = host_names(made)[-1]
    # else CoreDNS may be on the worker: its pods count as available until the control plane removes them
    made.kubectl("drain", worker, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s", limit=80)
    made.kubectl("rollout", "status", "deployment/coredns", "-n", "kube-system", "--timeout=60s", limit=80)
    made.kubectl("delete", "node", worker)
    on_host(worker, JOIN_LATE)
    try:
        with CommandLines(made.place.prefect.api, hosts.lab_of(LAB).folder) as watched, ThreadPoolExecutor(1) as pool:
            expired = pool.submit(_expire_token, made, worker)
            _fails(made, failures, "a join with an expired token", "create", made.file)
            failures.secrets["expired join token"] = token = expired.result()
    finally:
        on_host(worker, "rm -f /usr/local/sbin/kubeadm /run/joining /run/expired")
    assert "could not find a JWS signature" in failures.output["a join with an expired token"]
    made.command_lines.processes |= watched.processes
    made.command_lines.join_tokens |= watched.join_tokens - {token}  # each secret is searched under one name
    again = made.place.sixstack("create", made.file, "--no-verify")  # test_verify_cluster checks the network of this mode
    assert again.returncode == 0, again.stdout + again.stderr


def _expire_token(made: MadeCluster, worker: str) -> str:
    """Remove the token of the worker's join when kubeadm has begun, as the control plane does with expired ones; the token."""
    run = host_root(worker) / "run"
    deadline = time.monotonic() + 120
    while not (run / "joining").exists():
        assert time.monotonic() < deadline, "the join did not begin"
        time.sleep(0.1)
    (token,) = [
        secret
        for secret in made.objects("secrets", "-n", "kube-system", "--field-selector", "type=bootstrap.kubernetes.io/token")["items"]
        if base64.b64decode(secret["data"].get("description", "")).decode() == f"sixstack: {worker} joins"
    ]
    made.kubectl("delete", "secret", "-n", "kube-system", token["metadata"]["name"])
    token_id, secret = (base64.b64decode(token["data"][name]).decode() for name in ("token-id", "token-secret"))
    while f"jws-kubeconfig-{token_id}" in made.objects("configmap", "cluster-info", "-n", "kube-public")["data"]:
        assert time.monotonic() < deadline, "the signature of the token did not go"
    (run / "expired").touch()
    return f"{token_id}.{secret}"


def _refusing_proxy(made: MadeCluster, failures: Failures) -> None:
    """The proxy of the management machine, whose password the user has in the environment, takes no connection."""
    failures.secrets["password of the proxy in the environment"] = password = f"canary-{uuid4().hex}"
    program = "import os, sys; os.environ['HTTPS_PROXY'] = os.environ['https_proxy'] = sys.stdin.read(); from cli.main import main; sys.exit(main(sys.argv[1:]))"
    folder = made.place.prefect.root / "not-fetched"
    asked: list[str | None] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append(self.headers["proxy-authorization"])
            self.send_error(407)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            proxy = f"http://user:{password}@127.0.0.1:{server.server_port}"
            done = made.place.python("-c", program, "bundle", "fetch", str(folder), feed=proxy)
        finally:
            server.shutdown()
            thread.join()
    assert base64.b64encode(f"user:{password}".encode()).decode() in str(asked[0])
    assert done.returncode not in (0, 2), done.stdout + done.stderr
    failures.output["a proxy that refuses"] = done.stdout + done.stderr


def _unreachable_webhook(made: MadeCluster, failures: Failures) -> None:
    """Prefect calls a webhook at which nothing listens; its URL has a token, as those of chat services do."""
    failures.secrets["token of the webhook"] = token = uuid4().hex + uuid4().hex
    saved = made.place.python("-c", SAVE_WEBHOOK, feed=f"http://127.0.0.1:9/services/{token}")
    assert saved.returncode == 0, saved.stderr
    installed = made.place.sixstack("notify", "--webhook", "canary")
    assert installed.returncode == 0, installed.stderr
    failures.output["notify"] = installed.stdout + installed.stderr
    for automation in made.place.api("/automations/filter", {}):
        made.place.api(f"/automations/{automation['id']}", {"enabled": True}, "PATCH")
    event = {"event": "sixstack.retest.failed", "cluster": "canary", "payload": {"run": str(uuid4()), "line": "failed"}}
    emitted = made.place.python(EMIT, feed=json.dumps(event))
    assert emitted.returncode == 0, emitted.stderr
    question = {"filter": {"event": {"name": ["prefect.automation.action.failed"]}}, "limit": 10}
    deadline = time.monotonic() + 120
    while not made.place.api("/events/filter", question)["events"]:
        assert time.monotonic() < deadline, "the webhook was not called"
        time.sleep(0.5)
    assert made.place.sixstack("notify", "--remove").returncode == 0


def _fails(made: MadeCluster, failures: Failures, what: str, *arguments: str) -> None:
    done = made.place.sixstack(*arguments)
    failures.output[what] = done.stdout + done.stderr
    assert done.returncode != 0, done.stdout


# --- the places: how each is searched, and how a marker gets there


def prefect_home(made: MadeCluster) -> Path:
    """Where the server keeps its database, and the worker the results."""
    return made.place.prefect.state / "prefect"


def in_database(canary: Canary, search: SecretSearch) -> list[Found]:
    """The files as they are, with the log of writes and free pages; and all rows, which pages may have cut."""
    files = sorted(prefect_home(canary.made).glob("prefect.db*"))
    assert any(file.name.endswith("-wal") for file in files)
    found = [each for file in files for each in search.in_files(file)]
    with contextlib.closing(sqlite3.connect(f"file:{files[0]}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert {"flow_run", "task_run", "flow_run_state", "log", "artifact", "events", "block_document"} <= set(tables)
        rows = {f"table {table}": "\n".join(map(str, _values(database, table))) for table in tables}
    return found + search.in_texts(rows)


def _values(database: sqlite3.Connection, table: str) -> Iterator[Any]:
    for row in database.execute(f'SELECT * FROM "{table}"'):
        for value in row:
            yield value.decode(errors="replace") if isinstance(value, bytes) else value


def listing_paths(made: MadeCluster) -> list[str]:
    """Every list that the API offers, from its own description; the UI uses no others."""
    paths = made.place.api("/openapi.json")["paths"]
    lists = [path for path, methods in paths.items() if "post" in methods and path.rpartition("/")[2] in {"filter", "paginate"}]
    filled = [path.replace("{work_pool_name}", "sixstack") for path in lists]
    return sorted(path for path in filled if "{" not in path)


def pages_of(made: MadeCluster, path: str) -> Iterator[str]:
    """The answers of a list, page by page, without `include_secrets`."""
    if path == "/events/filter":
        page = made.place.api(path, {"limit": 50})
        yield json.dumps(page)
        while page["next_page"]:
            page = made.place.api("/events/filter/next" + page["next_page"].partition("/events/filter/next")[2])
            yield json.dumps(page)
        return
    paginated = path.endswith("/paginate")
    for number in range(1, 1000):
        body = {"limit": 200, "page": number} if paginated else {"limit": 200, "offset": 200 * (number - 1)}
        answer = made.place.api(path, body)
        yield json.dumps(answer)
        items = answer.get("results", []) if isinstance(answer, dict) else answer
        if len(items) < 200:
            return


def answers(made: MadeCluster, *paths: str) -> dict[str, str]:
    """What lists answer."""
    return {f"{path} page {number}": text for path in paths for number, text in enumerate(pages_of(made, path), 1)}


def states(canary: Canary) -> dict[str, str]:
    """All states of all flow runs and task runs, with their messages. Hundreds of runs have the last state that they had: these are read once."""
    for kind in ("flow", "task"):
        for page in pages_of(canary.made, f"/{kind}_runs/filter"):
            for run in json.loads(page):
                path = f"/{kind}_run_states/?{kind}_run_id={run['id']}"
                if canary.states.get(path, ("", ""))[0] != run["state_id"]:
                    canary.states[path] = (run["state_id"], json.dumps(canary.made.place.api(path)))
    return {path: text for path, (_, text) in canary.states.items()}


def in_api(canary: Canary, search: SecretSearch) -> list[Found]:
    """All lists, and all states."""
    paths = listing_paths(canary.made)
    expected = {
        "flow_runs",
        "task_runs",
        "artifacts",
        "logs",
        "events",
        "block_documents",
        "deployments",
        "automations",
        "variables",
        "flows",
    }
    assert {f"/{name}/filter" for name in (*expected, "concurrency_limits", "v2/concurrency_limits", "work_pools")} <= set(paths)
    return search.in_texts(answers(canary.made, *paths) | states(canary))


def in_logs(canary: Canary, search: SecretSearch) -> list[Found]:
    """The log files of server and worker, and the logs of the runs."""
    files = sorted(canary.made.place.prefect.state.glob("*.log"))
    assert {"server.log", "worker.log"} <= {file.name for file in files}
    return search.in_files(*files) + search.in_texts(answers(canary.made, "/logs/filter"))


def in_results(canary: Canary, search: SecretSearch) -> list[Found]:
    """The results that Prefect keeps for tasks."""
    return search.in_files(prefect_home(canary.made) / "storage")


def in_artifacts(canary: Canary, search: SecretSearch) -> list[Found]:
    """All versions."""
    return search.in_texts(answers(canary.made, "/artifacts/filter", "/artifacts/latest/filter"))


def in_events(canary: Canary, search: SecretSearch) -> list[Found]:
    """Of runs, blocks, automations, and our own."""
    return search.in_texts(answers(canary.made, "/events/filter"))


# Prefect's worker gives the API's password to the processes of a run (docs/decisions/server-authentication.md): these, in these variables
PROCESSES_OF_A_RUN = (
    " -m prefect.engine ",
    " -m prefect.runner._workspace_supervisor ",
    "/prefect/runner/_workspace_runtime_bootstrap.py hook ",
)
PASSWORD_VARIABLES = ("PREFECT_API_AUTH_STRING=", "PREFECT_SERVER_API_AUTH_STRING=")


def in_processes(watched: CommandLines, search: SecretSearch, *, containers: bool, api: str) -> list[Found]:
    """Command lines and environments, except for the API's password in the environment of this server's runs."""
    assert watched.looks > 20
    texts = {}
    for number, process in enumerate(watched.processes):
        if process.in_container is not containers:
            continue
        of_a_run = any(words in process.command_line for words in PROCESSES_OF_A_RUN) and f"PREFECT_API_URL={api}" in process.environment
        texts[f"command line {number}: {process.command_line[:100]}"] = process.command_line
        texts[f"environment {number}: {process.command_line[:100]}"] = "\n".join(
            variable for variable in process.environment if not (of_a_run and variable.startswith(PASSWORD_VARIABLES))
        )
    return search.in_texts(texts)


def in_own_processes(canary: Canary, search: SecretSearch) -> list[Found]:
    """Of this machine, during the create."""
    return in_processes(canary.made.command_lines, search, containers=False, api=canary.made.place.prefect.api)


def in_host_processes(canary: Canary, search: SecretSearch) -> list[Found]:
    """Of the hosts, during the create."""
    return in_processes(canary.made.command_lines, search, containers=True, api="")


def in_journals(canary: Canary, search: SecretSearch) -> list[Found]:
    """All fields of the journal, and the log files."""
    found = []
    for name in host_names(canary.made):
        journal = on_host(name, "journalctl --no-pager --all --quiet -o export")
        assert "UNIT=sixstack-" in journal  # of the steps
        found += search.in_texts({f"journal of {name}": journal}) + search.in_files(host_root(name) / "var/log")
    return found


def in_host_files(canary: Canary, search: SecretSearch) -> list[Found]:
    """All files that were written but those that kubeadm and kubelet keep, on every file system but the kernel's; of containerd, those that are no
    layers. Without those of the base, which is older than the secrets, and without the bundle's programs."""
    found = []
    for name in host_names(canary.made):
        root, written = host_root(name), hosts.machine_of(name, LAB).folder / "upper"
        kept = [written / path for path in KEPT]
        tops = [written, *(root / path for path in ("run", "tmp", "dev/shm"))]
        found += search.in_files(*(top for top in tops if top.is_dir()), without=[*kept, *programs_of_bundle(canary, written)])
        found += search.in_files(root / "var/lib/containerd", largest=2_000_000) if (root / "var/lib/containerd").is_dir() else []
    return found


def programs_of_bundle(canary: Canary, written: Path) -> list[Path]:
    """The programs below the folder that are those of the bundle, byte by byte."""
    sums = {file["content_sha256"] for file in json.loads((canary.bundle / MANIFEST_NAME).read_text())["files"]}
    programs = [path for folder in ("usr/local/bin", "opt/cni/bin") for path in (written / folder).glob("*") if path.is_file()]
    return [path for path in programs if sha256_of(path) in sums]


def in_records(canary: Canary, search: SecretSearch) -> list[Found]:
    """The audit records, those that wait for their store, and the copies of deleted clusters with their descriptions."""
    prefect = canary.made.place.prefect
    folders = [prefect.root / "audit", prefect.copies, prefect_home(canary.made) / "sixstack"]
    return search.in_files(*(folder for folder in folders if folder.is_dir()))


def in_exceptions(canary: Canary, search: SecretSearch) -> list[Found]:
    """What commands printed, and the states of their runs."""
    printed = {f"output of {what}": text for what, text in canary.failures.output.items()}
    return search.in_texts(printed | {"output of create": canary.made.output} | states(canary))


def in_other_files(canary: Canary, search: SecretSearch) -> list[Found]:
    """Every other file of the working folder; the settings file and the identity file are where their secrets belong."""
    prefect = canary.made.place.prefect
    allowed = {Found(API_PASSWORD, str(prefect.settings.file)), Found(IDENTITY, str(prefect.identity))}
    return [each for each in search.in_files(prefect.root) if each not in allowed]


@contextmanager
def file_of(path: Path, text: str) -> Iterator[None]:
    """A file with the text, in a folder that exists or not."""
    missing = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    try:
        yield
    finally:
        path.unlink()
        for folder in missing:
            folder.rmdir()


@contextmanager
def artifact_of(canary: Canary, text: str) -> Iterator[None]:
    """An artifact, which the database and the API then have."""
    artifact = canary.made.place.api("/artifacts/", {"type": "markdown", "data": text})
    try:
        yield
    finally:
        canary.made.place.api(f"/artifacts/{artifact['id']}", method="DELETE")


@contextmanager
def run_of(canary: Canary, text: str) -> Iterator[None]:
    """A flow run that failed, with the text as a parameter and in the message of its state."""
    flow = canary.made.place.api("/flows/", {"name": "canary"})
    state = {"type": "FAILED", "name": "Failed", "message": text}
    run = canary.made.place.api("/flow_runs/", {"flow_id": flow["id"], "parameters": {"text": text}, "state": state})
    try:
        yield
    finally:
        canary.made.place.api(f"/flow_runs/{run['id']}", method="DELETE")
        canary.made.place.api(f"/flows/{flow['id']}", method="DELETE")


@contextmanager
def log_of(canary: Canary, text: str) -> Iterator[None]:
    """A line in a run's log, which is deleted with its run."""
    with run_of(canary, ""):
        (flow_run, *_) = canary.made.place.api("/flow_runs/filter", {"flows": {"name": {"any_": ["canary"]}}})
        line = {"name": "canary", "level": 20, "message": text, "timestamp": datetime.now(UTC).isoformat(), "flow_run_id": flow_run["id"]}
        canary.made.place.api("/logs/", [line])
        yield


@contextmanager
def event_of(canary: Canary, text: str) -> Iterator[None]:
    """An event; events are not deleted."""
    name = f"canary.{uuid4()}"
    event = {
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": name,
        "resource": {"prefect.resource.id": "canary"},
        "payload": {"text": text},
    }
    canary.made.place.api("/events", [event])
    deadline = time.monotonic() + 30
    while not canary.made.place.api("/events/filter", {"filter": {"event": {"name": [name]}}, "limit": 1})["events"]:
        assert time.monotonic() < deadline, "the event did not arrive"
        time.sleep(0.5)
    yield


@contextmanager
def process_of(canary: Canary, start: Callable[[], object]) -> Iterator[None]:
    """The processes that are seen while something runs, instead of those of the create."""
    real = canary.made.command_lines
    thread = threading.Thread(target=start)
    with CommandLines() as watched:
        thread.start()
        while watched.looks <= 25:
            time.sleep(0.1)
        thread.join()
    canary.made.command_lines = watched
    try:
        yield
    finally:
        canary.made.command_lines = real


_SLEEP = 'text=$(cat); (CANARY="$text" exec sleep 3) & exec sh -c "sleep 3; true" "$text"'


def own_process_of(canary: Canary, text: str) -> AbstractContextManager[None]:
    """A process here has the text on its command line, another one in its environment."""
    return process_of(canary, lambda: subprocess.run(["sh", "-c", _SLEEP], input=text, text=True, check=True))


def host_process_of(canary: Canary, text: str) -> AbstractContextManager[None]:
    """The same on a host."""
    return process_of(canary, lambda: on_host(host_names(canary.made)[-1], _SLEEP, text))


@contextmanager
def journal_of(canary: Canary, text: str) -> Iterator[None]:
    """Lines of the journal, which stay in it."""
    on_host(host_names(canary.made)[-1], "logger --size 60KiB -t canary; journalctl --sync", text)
    yield


@contextmanager
def host_files_of(canary: Canary, text: str) -> Iterator[None]:
    """The markers, divided among files where secrets have been left before."""
    root = host_root(host_names(canary.made)[-1])
    places = (
        "var/lib/sixstack/steps/canary/log",
        "run/canary",
        "tmp/canary",
        "dev/shm/canary",
        "root/.bash_history",
        "home/ops/canary",
        "etc/canary",
    )
    lines = text.splitlines(keepends=True)
    size = len(lines) // len(places) + 1
    with ExitStack() as stack:
        for number, place in enumerate(places):
            part = lines[number * size : (number + 1) * size]
            assert part
            stack.enter_context(file_of(root / place, "".join(part)))
        yield


@contextmanager
def output_of(canary: Canary, text: str) -> Iterator[None]:
    """Half of it on the standard output and standard error of a command, half in the state of a run."""
    lines = text.splitlines(keepends=True)
    middle = len(lines) // 2
    done = canary.made.place.run(["sh", "-c", "cat >&2"], feed="".join(lines[:middle]))
    canary.failures.output["marker"] = done.stdout + done.stderr
    try:
        with run_of(canary, "".join(lines[middle:])):
            yield
    finally:
        del canary.failures.output["marker"]


@dataclass(frozen=True)
class Place:
    """How a place is searched, and how a text gets there for a while."""

    search: Callable[[Canary, SecretSearch], list[Found]]
    plant: Callable[[Canary, str], AbstractContextManager[None]]


PLACES = {
    "database": Place(in_database, artifact_of),
    "API answers": Place(in_api, run_of),
    "logs": Place(in_logs, log_of),
    "results": Place(in_results, lambda canary, text: file_of(prefect_home(canary.made) / "storage" / "canary", text)),
    "artifacts": Place(in_artifacts, artifact_of),
    "events": Place(in_events, event_of),
    "processes here": Place(in_own_processes, own_process_of),
    "processes on hosts": Place(in_host_processes, host_process_of),
    "journals and logs on hosts": Place(in_journals, journal_of),
    "files on hosts": Place(in_host_files, host_files_of),
    "records and copies": Place(
        in_records, lambda canary, text: file_of(canary.made.place.prefect.root / "audit" / canary.made.name / "canary" / "x.json", text)
    ),
    "exceptions": Place(in_exceptions, output_of),
    "other files here": Place(in_other_files, lambda canary, text: file_of(canary.made.place.prefect.root / "canary", text)),
}


@pytest.mark.parametrize("name", PLACES)
def test_no_secret_is_in_a_place(canary: Canary, name: str) -> None:
    """No secret of any kind, in no encoding. The same search finds a marker of each form that is planted there, and others, which are in no place, not."""
    marked = {f"{kind}, planted": marker for kind, marker in markers().items()}  # kinds of secrets have other names
    absent = {f"{kind}, in no place": marker for kind, marker in markers().items()}
    search = SecretSearch({kind: marker.secret for kind, marker in (marked | absent).items()}, also=canary.secrets)
    with PLACES[name].plant(canary, marker_text(marked)):
        matches = PLACES[name].search(canary, search)
    found = [match for match in matches if match.kind in canary.secrets.kinds]
    say(f"canary: {name}: {len(canary.secrets.kinds)} secrets, {len(found)} matches")
    assert found == [], found[:20]
    assert kinds_of(matches) == set(marked)


def after_the_delete(canary: Canary, watched: CommandLines) -> None:
    """What the delete showed or left: processes, files here with the encrypted copy, journals and files of the hosts."""
    api = canary.made.place.prefect.api
    found = in_processes(watched, canary.secrets, containers=False, api=api) + in_processes(
        watched, canary.secrets, containers=True, api=""
    )
    for name in ("database", "logs", "results", "journals and logs on hosts", "files on hosts", "records and copies", "other files here"):
        found += PLACES[name].search(canary, canary.secrets)
    copies = list((canary.made.place.prefect.copies / canary.made.name).glob("*.age"))
    say(f"canary: after the delete: {len(canary.secrets.kinds)} secrets, {len(found)} matches, {len(copies)} encrypted copies searched")
    assert not found, [f"after the delete: {each.kind} in {each.where}" for each in found]
    assert copies, "the delete left no copy"


# --- what keeps secrets on a host


def test_files_of_hosts_that_keep_secrets_are_for_root_alone(canary: Canary) -> None:
    """What kubeadm, kubelet and etcd keep: every file with a secret is root's, and nobody else can open it."""
    for name in host_names(canary.made):
        root = host_root(name)
        holders = {Path(found.where) for found in canary.secrets.in_files(*(root / path for path in KEPT if (root / path).is_dir()))}
        assert holders
        open_to_others = [str(path) for path in holders if path.stat().st_uid != 0 or path.stat().st_mode & 0o077]
        assert open_to_others == []


def test_folders_of_hosts_that_keep_secrets_are_for_root_alone(canary: Canary) -> None:
    """Our folder and etcd's data; inputs of steps are gone."""
    for number, name in enumerate(host_names(canary.made)):
        root = host_root(name)
        own = root / "var/lib/sixstack"
        # the folder above is the lab's own, a mount: kubeadm makes it with mode 0700 where it is missing
        for folder in [own, *([root / "var/lib/etcd/member"] if number == 0 else [])]:
            assert (folder.stat().st_uid, oct(folder.stat().st_mode & 0o777)) == (0, "0o700"), folder
        inputs = [path.name for path in own.rglob("*") if path.name in {"work", "work.new"} or path.name.endswith("join.yaml")]
        assert inputs == []


def test_no_bootstrap_token_outlives_its_join(made: MadeCluster) -> None:
    """The cluster has no token that anybody could still join with, but kubeadm init's own that lives a day at most."""
    tokens = made.objects("secrets", "-n", "kube-system", "--field-selector", "type=bootstrap.kubernetes.io/token")["items"]
    described = [base64.b64decode(token["data"].get("description", "")).decode() for token in tokens]
    assert [text for text in described if "sixstack" in text] == []


def test_no_command_line_has_the_form_of_a_bootstrap_token(made: MadeCluster) -> None:
    """Whatever its value; the hosts' processes were among those that were seen."""
    assert any("kubeadm init" in line for line in made.command_lines.seen)
    assert made.command_lines.tokens == set()


def test_the_kubeconfig_file_is_for_its_owner_alone(made: MadeCluster, tmp_path: Path) -> None:
    """`sixstack kubeconfig -o FILE` writes mode 0600, also over a file that was open to all."""
    target = tmp_path / "config"
    target.touch(mode=0o644)
    done = made.place.sixstack("kubeconfig", made.name, "-o", str(target))
    assert done.returncode == 0, done.stderr
    assert target.stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load(target.read_text(encoding="utf-8"))["kind"] == "Config"


def test_parameters_of_the_run_are_the_file_and_name_credentials_only(made: MadeCluster) -> None:
    """What the UI shows as parameters is what the file says."""
    parameters = made.place.api(f"/flow_runs/{made.run}")["parameters"]
    assert json.loads(json.dumps(parameters["cluster"]))["hosts"][1]["ssh"]["credential"] == f"ops-{LAB}"
    assert "PRIVATE KEY" not in json.dumps(parameters)
