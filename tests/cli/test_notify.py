"""Notifications of retests, drift, certificates and failed runs: automations of a real server call a receiver on loopback."""

from __future__ import annotations

import json
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cli.exit_codes import ENVIRONMENT, SUCCESS
from cli.main import main
from tests.conftest import Workplace
from tests.flows.test_saved_clusters import document

RETESTS = ("sixstack: retest failed", "sixstack: retest overdue", "sixstack: retests missing")
FINDINGS = ("sixstack: certificates expire", "sixstack: drift found", "sixstack: run failed")
NAMES = tuple(sorted((*RETESTS, *FINDINGS)))
OVERDUE = RETESTS[1]
FIELDS = {"text", "about", "cluster", "result", "failed_step", "run", "url"}
SHORT = "0.003"  # hours: 10.8 s; Prefect's minimum is 10 s
PREFECT = ["-m", "prefect", "--no-prompt"]
EMIT = str(Path(__file__).with_name("emit_events.py"))
SAVE = "from prefect.blocks.webhook import Webhook; import sys; Webhook(url=sys.stdin.read()).save('retests', overwrite=True)"


class Receiver:
    """Keeps the bodies of all requests; wait for one with a condition."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self._arrived = threading.Condition()

    def received(self, body: bytes) -> None:
        """A request arrived."""
        with self._arrived:
            self.bodies.append(body)
            self._arrived.notify_all()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The bodies, each of which must be JSON."""
        try:
            return [json.loads(body) for body in self.bodies]
        except ValueError:
            raise AssertionError(f"a body is not JSON: {self.bodies}") from None

    def wait(self, matches: Callable[[dict[str, Any]], bool], limit: float = 90) -> dict[str, Any]:
        """The first message that matches."""

        def found() -> dict[str, Any] | None:
            return next((message for message in self.messages if matches(message)), None)

        with self._arrived:
            message = self._arrived.wait_for(found, limit)
        assert message, self.bodies
        return message


@contextmanager
def receiving() -> Iterator[tuple[Receiver, str]]:
    """A receiver, and its URL."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.received(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver, f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def automations(place: Workplace) -> list[tuple[str, str, bool]]:
    """Id, name and whether it is enabled, of our automations."""
    found = place.api("/automations/filter", {})
    return sorted((item["id"], item["name"], item["enabled"]) for item in found if item["name"] in NAMES)


def prefect(place: Workplace, *arguments: str) -> None:
    """A command of Prefect, which must succeed."""
    done = place.python(*PREFECT, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def receiver(prefect_server: Workplace) -> Iterator[Receiver]:
    """A local receiver, and its Webhook block `retests`."""
    with receiving() as (receiver, url):
        saved = prefect_server.python("-c", SAVE, feed=url)
        assert saved.returncode == 0, saved.stdout + saved.stderr
        yield receiver


@pytest.mark.parametrize("hours", ["0", "0.002", "-1", "nan", "inf", "two"])
def test_a_time_that_prefect_cannot_wait_for_is_2(hours: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The smallest is 10 s."""
    with pytest.raises(SystemExit) as ended:
        main(["notify", "--webhook", "x", "--hours", hours])
    assert ended.value.code == 2
    assert repr(hours) in capsys.readouterr().err


@pytest.mark.server
def test_a_webhook_block_that_is_not_there_is_3(prefect_server: Workplace) -> None:
    """The error names its type and its name, and nothing is installed."""
    done = prefect_server.sixstack("notify", "--webhook", "nobody")
    assert done.returncode == ENVIRONMENT, done.stdout + done.stderr
    assert "nobody" in done.stderr
    assert "Webhook" in done.stderr
    assert automations(prefect_server) == []


@pytest.mark.server
@pytest.mark.usefixtures("receiver")
class TestInstallation:
    """Without events."""

    @pytest.fixture
    def place(self, prefect_server: Workplace) -> Iterator[Workplace]:
        """A server with the automations installed, which are removed afterwards."""
        done = prefect_server.sixstack("notify", "--webhook", "retests")
        assert done.returncode == SUCCESS, done.stdout + done.stderr
        yield prefect_server
        assert prefect_server.sixstack("notify", "--remove").returncode == SUCCESS
        assert automations(prefect_server) == []

    def test_twice_leaves_one_of_each_inactive(self, place: Workplace) -> None:
        """The second call reports that nothing changed."""
        before = automations(place)
        assert sorted(name for _, name, _ in before) == list(NAMES)
        assert not any(enabled for _, _, enabled in before)
        again = place.sixstack("notify", "--webhook", "retests")
        assert again.returncode == SUCCESS, again.stdout + again.stderr
        assert again.stdout.count("unchanged") == len(NAMES)
        assert automations(place) == before

    def test_an_update_keeps_what_was_enabled(self, place: Workplace) -> None:
        """In place: the same automation has another time."""
        prefect(place, "automation", "resume", OVERDUE)
        before = automations(place)
        assert [name for _, name, enabled in before if enabled] == [OVERDUE]
        assert place.sixstack("notify", "--webhook", "retests", "--hours", "24").returncode == SUCCESS
        assert automations(place) == before
        (overdue,) = [item for item in place.api("/automations/filter", {}) if item["name"] == OVERDUE]
        assert overdue["trigger"]["within"] == 24 * 3600

    def test_the_file_is_one_for_prefect(self, place: Workplace) -> None:
        """`prefect automation create` accepts it and always creates new ones; `sixstack notify` leaves one of each again."""
        prefect(place, "automation", "resume", NAMES[0])
        kept = automations(place)
        file = str(place.prefect.root / "retests.yaml")
        assert place.sixstack("notify", "--webhook", "retests", "--to", file).returncode == SUCCESS
        assert automations(place) == kept
        prefect(place, "automation", "create", "--from-file", file)
        assert len(automations(place)) == 2 * len(NAMES)
        assert place.sixstack("notify", "--webhook", "retests").returncode == SUCCESS
        assert sorted((name, enabled) for _, name, enabled in automations(place)) == [(name, name == NAMES[0]) for name in NAMES]


@pytest.fixture(scope="class")
def notifying(prefect_server: Workplace, receiver: Receiver) -> Iterator[Workplace]:  # noqa: ARG001
    """A server that calls the receiver."""
    done = prefect_server.sixstack("notify", "--webhook", "retests", "--hours", SHORT)
    assert done.returncode == SUCCESS, done.stdout + done.stderr
    for name in RETESTS:
        prefect(prefect_server, "automation", "resume", name)
    yield prefect_server
    assert prefect_server.sixstack("notify", "--remove").returncode == SUCCESS


def _emit(process: subprocess.Popen[str], event: str, cluster: str, payload: dict[str, str]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps({"event": event, "cluster": cluster, "payload": payload}) + "\n")
    process.stdin.flush()


@contextmanager
def emitting(place: Workplace) -> Iterator[subprocess.Popen[str]]:
    """A process that emits events through Prefect's client."""
    with place.popen(EMIT, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        yield process


@pytest.fixture(scope="class")
def emit(notifying: Workplace) -> Iterator[Callable[..., None]]:
    """Emits the event of a retest, through Prefect's client."""
    with emitting(notifying) as process:

        def emit(cluster: str, result: str, **payload: str) -> None:
            values = {"cluster": cluster, "result": result, "line": f"{cluster}: {result}", "failed_step": "", "run": str(uuid.uuid4())}
            _emit(process, f"sixstack.retest.{result}", cluster, values | payload)

        yield emit


@pytest.mark.server
@pytest.mark.long  # once, on a machine with three times the load that it bears, a body that is not JSON arrived: not explained yet
class TestNotifications:
    """With the automations enabled, and 48 hours shortened to 10.8 s."""

    @pytest.mark.parametrize("result", ["failed", "refused"])
    def test_a_failure_is_reported_with_cluster_step_and_run(
        self, notifying: Workplace, receiver: Receiver, emit: Callable[..., None], result: str
    ) -> None:
        """As JSON; `text` is for people."""
        later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2099-01-01T00:00:00Z"}}
        run = notifying.start("retest-clusters/default", {}, state=later)
        emit(f"of-{result}", result, failed_step="verify-network/cluster", run=run)
        message = receiver.wait(lambda message: message["cluster"] == f"of-{result}")
        notifying.api(f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLED"}, "force": True})
        url = message.pop("url")
        assert url.startswith(notifying.prefect.ui)
        assert url.endswith(run)
        assert message == {
            "text": f"of-{result}: {result}",
            "about": "retest",
            "cluster": f"of-{result}",
            "result": result,
            "failed_step": "verify-network/cluster",
            "run": run,
        }

    def test_no_text_breaks_the_json_or_is_a_template(self, receiver: Receiver, emit: Callable[..., None]) -> None:
        """What a host printed arrives as it is."""
        hostile = '"}, {"text": "x"} \\ {{ 7 * 7 }} {% raw %} $hours </script>\n\t\u2028 \' é'
        emit("hostile", "failed", line=hostile, failed_step=hostile)
        message = receiver.wait(lambda message: message["cluster"] == "hostile")
        assert (message["text"], message["failed_step"]) == (hostile, hostile)

    def test_a_payload_without_texts_is_reported_too(self, receiver: Receiver, emit: Callable[..., None]) -> None:
        """A text for people remains."""
        emit("empty", "failed", line="", failed_step="")
        assert "empty" in receiver.wait(lambda message: message["cluster"] == "empty")["text"]

    def test_each_of_two_failures_is_reported(self, receiver: Receiver, emit: Callable[..., None]) -> None:
        """In one run, one after another."""
        for number in range(2):
            emit("twice", "failed", line=str(number))
        for number in range(2):
            receiver.wait(lambda message, number=number: (message["cluster"], message["text"]) == ("twice", str(number)))  # type: ignore[misc]

    def test_a_cluster_that_does_not_pass_is_reported_while_another_passes(self, receiver: Receiver, emit: Callable[..., None]) -> None:
        """Separately for each cluster: the one that passes resets its own time only."""
        emit("broken", "failed", line="broken: failed at create", failed_step="create")
        emit("skipped", "skipped")
        for _ in range(30):
            emit("healthy", "passed")
            if {"broken", "skipped"} <= {message["cluster"] for message in receiver.messages if message["result"] == "overdue"}:
                break
            threading.Event().wait(3)
        overdue = {message["cluster"]: message for message in receiver.messages if message["result"] == "overdue"}
        assert "healthy" not in overdue
        assert overdue["broken"]["failed_step"] == "create"
        assert "0.003 hours" in overdue["broken"]["text"]
        assert "skipped" in overdue
        # now nothing passes any more
        receiver.wait(lambda message: (message["cluster"], message["result"]) == ("healthy", "overdue"))

    def test_no_retest_at_all_is_reported(self, notifying: Workplace, receiver: Receiver) -> None:  # noqa: ARG002
        """Also when no event ever came: a schedule that is not enabled, a worker that does not run."""
        message = receiver.wait(lambda message: message["result"] == "missing")
        assert message["cluster"] == ""

    def test_what_passed_or_was_skipped_is_no_failure(self, receiver: Receiver) -> None:
        """Of all messages so far, only failures and refusals were reported at once."""
        assert {message["result"] for message in receiver.messages} <= {"failed", "refused", "overdue", "missing"}


@pytest.fixture(scope="class")
def place(prefect_server: Workplace, receiver: Receiver) -> Iterator[Workplace]:  # noqa: ARG001
    """A server that calls the receiver for findings and failed runs."""
    done = prefect_server.sixstack("notify", "--webhook", "retests")
    assert done.returncode == SUCCESS, done.stdout + done.stderr
    for name in FINDINGS:
        prefect(prefect_server, "automation", "resume", name)
    yield prefect_server
    assert prefect_server.sixstack("notify", "--remove").returncode == SUCCESS


@pytest.mark.server
class TestFindings:
    """Drift, certificates and failed runs, each with its automation enabled and no other."""

    def waiting_run(self, place: Workplace, deployment: str, **parameters: str) -> str:
        """A run of a deployment that no worker starts."""
        later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2099-01-01T00:00:00Z"}}
        return place.start(deployment, dict(parameters), state=later)

    def end(self, place: Workplace, run: str, kind: str, message: str) -> None:
        """Set the state of a run, as its worker does."""
        state = {"type": kind, "name": kind.capitalize(), "message": message}
        place.api(f"/flow_runs/{run}/set_state", {"state": state, "force": True})

    def test_drift_is_reported_with_the_cluster_and_the_paths(self, place: Workplace, receiver: Receiver) -> None:
        """As the event of inspect-cluster has them."""
        run = self.waiting_run(place, "inspect-cluster/default", cluster="drifted")
        payload = {"line": "2 differences", "cluster": "drifted", "run": run, "differences": "2", "paths": "hosts/a, nodes/a"}
        with emitting(place) as process:
            _emit(process, "sixstack.drift.found", "drifted", payload)
        message = receiver.wait(lambda message: message["about"] == "drift")
        assert message.keys() == FIELDS
        assert (message["cluster"], message["result"], message["run"]) == ("drifted", "found", run)
        assert message["text"] == "2 differences (hosts/a, nodes/a)"
        assert message["url"].endswith(run)

    @pytest.mark.parametrize(("unusable", "result"), [("0", "expiring"), ("1", "unusable")])
    def test_certificates_that_expire_are_reported(self, place: Workplace, receiver: Receiver, unusable: str, result: str) -> None:
        """The result differs for a certificate that can no longer be used."""
        payload = {"line": f"{result}: a", "cluster": "old", "run": str(uuid.uuid4()), "count": "1", "unusable": unusable}
        with emitting(place) as process:
            _emit(process, "sixstack.certificates.expiring", "old", payload)
        message = receiver.wait(lambda message: (message["about"], message["result"]) == ("certificates", result))
        assert message.keys() == FIELDS
        assert (message["cluster"], message["text"]) == ("old", f"{result}: a")

    def test_a_run_that_fails_is_reported_once(self, place: Workplace, receiver: Receiver) -> None:
        """A real run, with its error, its page and its cluster."""
        file = place.write("failing.yaml", document(name="failing"))
        done = place.sixstack("restore", file, "--confirm", "failing", "--identity", "/nowhere/identity.txt")
        assert done.returncode != 0
        message = receiver.wait(lambda message: (message["about"], message["cluster"]) == ("run", "failing"))
        assert message.keys() == FIELDS
        assert message["result"] == "failed"
        assert message["text"].startswith("restore failing ")
        assert "identity-unusable" in message["text"]
        assert message["url"].endswith(message["run"])
        assert len([found for found in receiver.messages if found["run"] == message["run"]]) == 1

    def test_a_run_that_crashes_is_reported(self, place: Workplace, receiver: Receiver) -> None:
        """Its worker says so."""
        run = self.waiting_run(place, "create-cluster/default", cluster="crashing")
        self.end(place, run, "CRASHED", 'exit code "137"\n{{ 7 * 7 }}')
        message = receiver.wait(lambda message: message["run"] == run)
        assert (message["about"], message["result"], message["cluster"]) == ("run", "crashed", "")
        assert message["text"].endswith(': exit code "137"\n{{ 7 * 7 }}')

    def test_what_has_its_own_event_a_part_of_a_run_and_what_is_cancelled_is_no_failed_run(
        self, place: Workplace, receiver: Receiver
    ) -> None:
        """An inspection that finds drift ends Failed too: one message is enough. A control that fails afterwards is reported."""
        found, cancelled, control = (self.waiting_run(place, "inspect-cluster/default", cluster="quiet") for _ in range(3))
        flow = place.api(f"/flow_runs/{control}")["flow_id"]
        part = place.api("/flow_runs/", {"flow_id": flow, "tags": ["sixstack"], "state": {"type": "PENDING"}})["id"]
        self.end(place, found, "FAILED", "Flow run encountered an exception: FindingReported: cluster quiet\n- differs")
        self.end(place, part, "FAILED", "Flow run encountered an exception: ClusterError: of the run that called it")
        self.end(place, cancelled, "CANCELLED", "by a person")
        self.end(place, control, "FAILED", "Flow run encountered an exception: ClusterError: FindingReported: is not its class")
        receiver.wait(lambda message: message["run"] == control)
        assert {found, part, cancelled} & {message["run"] for message in receiver.messages} == set()
