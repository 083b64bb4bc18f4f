"""Notifications of retests: automations of a real server call a receiver on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
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

NAMES = ("sixstack: retest failed", "sixstack: retest overdue", "sixstack: retests missing")
SHORT = "0.003"  # hours: 10.8 s; Prefect's minimum is 10 s
PREFECT = [sys.executable, "-m", "prefect", "--no-prompt"]
EMIT = [sys.executable, str(Path(__file__).with_name("emit_events.py"))]
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
    """Id, name and whether it is enabled, of the retests' automations."""
    found = place.api("/automations/filter", {})
    return sorted((item["id"], item["name"], item["enabled"]) for item in found if item["name"] in NAMES)


def prefect(place: Workplace, *arguments: str) -> None:
    """A command of Prefect, which must succeed."""
    done = place.run([*PREFECT, *arguments])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def receiver(prefect_server: Workplace) -> Iterator[Receiver]:
    """A local receiver, and its Webhook block `retests`."""
    with receiving() as (receiver, url):
        saved = prefect_server.run([sys.executable, "-c", SAVE], feed=url)
        assert saved.returncode == 0, saved.stdout + saved.stderr
        yield receiver


@pytest.mark.parametrize("hours", ["0", "0.002", "-1", "nan", "inf", "two"])
def test_a_time_that_prefect_cannot_wait_for_is_2(hours: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The smallest is 10 s."""
    with pytest.raises(SystemExit) as ended:
        main(["notify-retests", "--webhook", "x", "--hours", hours])
    assert ended.value.code == 2
    assert repr(hours) in capsys.readouterr().err


@pytest.mark.server
def test_a_webhook_block_that_is_not_there_is_3(prefect_server: Workplace) -> None:
    """The error names its type and its name, and nothing is installed."""
    done = prefect_server.sixstack("notify-retests", "--webhook", "nobody")
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
        done = prefect_server.sixstack("notify-retests", "--webhook", "retests")
        assert done.returncode == SUCCESS, done.stdout + done.stderr
        yield prefect_server
        assert prefect_server.sixstack("notify-retests", "--remove").returncode == SUCCESS
        assert automations(prefect_server) == []

    def test_twice_leaves_one_of_each_inactive(self, place: Workplace) -> None:
        """The second call reports that nothing changed."""
        before = automations(place)
        assert sorted(name for _, name, _ in before) == list(NAMES)
        assert not any(enabled for _, _, enabled in before)
        again = place.sixstack("notify-retests", "--webhook", "retests")
        assert again.returncode == SUCCESS, again.stdout + again.stderr
        assert again.stdout.count("unchanged") == len(NAMES)
        assert automations(place) == before

    def test_an_update_keeps_what_was_enabled(self, place: Workplace) -> None:
        """In place: the same automation has another time."""
        prefect(place, "automation", "resume", NAMES[1])
        before = automations(place)
        assert [name for _, name, enabled in before if enabled] == [NAMES[1]]
        assert place.sixstack("notify-retests", "--webhook", "retests", "--hours", "24").returncode == SUCCESS
        assert automations(place) == before
        (overdue,) = [item for item in place.api("/automations/filter", {}) if item["name"] == NAMES[1]]
        assert overdue["trigger"]["within"] == 24 * 3600

    def test_the_file_is_one_for_prefect(self, place: Workplace) -> None:
        """`prefect automation create` accepts it and always creates new ones; notify-retests leaves one of each again."""
        prefect(place, "automation", "resume", NAMES[0])
        kept = automations(place)
        file = str(place.prefect.root / "retests.yaml")
        assert place.sixstack("notify-retests", "--webhook", "retests", "--to", file).returncode == SUCCESS
        assert automations(place) == kept
        prefect(place, "automation", "create", "--from-file", file)
        assert len(automations(place)) == 2 * len(NAMES)
        assert place.sixstack("notify-retests", "--webhook", "retests").returncode == SUCCESS
        assert sorted((name, enabled) for _, name, enabled in automations(place)) == [
            (NAMES[0], True),
            (NAMES[1], False),
            (NAMES[2], False),
        ]


@pytest.fixture(scope="class")
def notifying(prefect_server: Workplace, receiver: Receiver) -> Iterator[Workplace]:  # noqa: ARG001
    """A server that calls the receiver."""
    done = prefect_server.sixstack("notify-retests", "--webhook", "retests", "--hours", SHORT)
    assert done.returncode == SUCCESS, done.stdout + done.stderr
    for name in NAMES:
        prefect(prefect_server, "automation", "resume", name)
    yield prefect_server
    assert prefect_server.sixstack("notify-retests", "--remove").returncode == SUCCESS


@pytest.fixture(scope="class")
def emit(notifying: Workplace) -> Iterator[Callable[..., None]]:
    """Emits the event of a retest, through Prefect's client."""
    with subprocess.Popen(
        EMIT, cwd=notifying.prefect.root, env=notifying.prefect.environment(), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None

        def emit(cluster: str, result: str, **payload: str) -> None:
            assert process.stdin is not None
            values = {"cluster": cluster, "result": result, "line": f"{cluster}: {result}", "failed_step": "", "run": str(uuid.uuid4())}
            event = {"event": f"sixstack.retest.{result}", "cluster": cluster, "payload": values | payload}
            process.stdin.write(json.dumps(event) + "\n")
            process.stdin.flush()

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
        deployment = notifying.api("/deployments/name/retest-clusters/default")["id"]
        later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2099-01-01T00:00:00Z"}}
        run = notifying.api(f"/deployments/{deployment}/create_flow_run", {"state": later})["id"]
        emit(f"of-{result}", result, failed_step="verify-network/cluster", run=run)
        message = receiver.wait(lambda message: message["cluster"] == f"of-{result}")
        notifying.api(f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLED"}, "force": True})
        url = message.pop("url")
        assert url.startswith(notifying.prefect.ui)
        assert url.endswith(run)
        assert message == {
            "text": f"of-{result}: {result}",
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
