"""Running a command in a container: exec of the API over a WebSocket (KEP-4006), on a separate connection."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from websocket import ABNF, WebSocket, WebSocketBadStatusException, WebSocketException, WebSocketTimeoutException

from cluster.vocabulary.errors import ApiUnavailable, ClusterError, StepTimedOut
from kube.client import KubeApi, refusal, segment
from kube.kubeconfig import SERVER_NAME

STDIN, STDOUT, STDERR, STATUS = range(4)  # the first byte of each message
PROTOCOL = "v4.channel.k8s.io"
MOST_OUTPUT = 16_000_000  # bytes that a command may print


@dataclass(frozen=True, slots=True)
class ExecOutput:
    """The result of a command."""

    exit_code: int
    stdout: str
    stderr: str


class _TooMuch(Exception):
    """The stream is longer than MOST_OUTPUT."""


class _BoundedWebSocket(WebSocket):
    """A WebSocket that stops at a limit: one message may be announced with any length, and is collected before anybody sees it."""

    def __init__(self) -> None:
        super().__init__(skip_utf8_validation=True)
        self._left = MOST_OUTPUT

    def _recv(self, bufsize: int) -> bytes:
        data: bytes = super()._recv(bufsize)  # type: ignore[no-untyped-call]
        self._left -= len(data)
        if self._left < 0:
            raise _TooMuch
        return data


def run_in_pod(api: KubeApi, namespace: str, pod: str, command: Sequence[str], *, stdin: str, limit: timedelta) -> ExecOutput:
    """Run `command` in the only container of a pod. The command must end by itself, because the protocol cannot close its stdin.

    Raises StepTimedOut after `limit`, ApiRefused (no such pod, or not running), ApiUnavailable (connection lost, or an error of the runtime),
    ClusterError for too much output.
    """
    end = time.monotonic() + limit.total_seconds()
    query = urlencode([("stdin", "true"), ("stdout", "true"), ("stderr", "true"), *(("command", word) for word in command)])
    path = f"/api/v1/namespaces/{segment(namespace)}/pods/{segment(pod)}/exec"
    received = {STDOUT: bytearray(), STDERR: bytearray(), STATUS: bytearray()}
    web_socket = _BoundedWebSocket()
    try:
        # the name is only a header here: the socket is connected, and its certificate is verified
        web_socket.connect(  # type: ignore[no-untyped-call]
            f"wss://{SERVER_NAME}{path}?{query}",
            socket=api.open_socket(),
            subprotocols=[PROTOCOL],
            header=[f"{key}: {value}" for key, value in api.authorization.items()],
        )
        for start in range(0, len(stdin), 1 << 15):
            web_socket.send(struct.pack("B", STDIN) + stdin[start : start + (1 << 15)].encode(), opcode=ABNF.OPCODE_BINARY)
        while not received[STATUS]:
            if time.monotonic() > end:  # the timeout of the socket is for silence
                raise WebSocketTimeoutException
            web_socket.settimeout(max(0.01, end - time.monotonic()))
            kind, message = web_socket.recv_data()
            if kind == ABNF.OPCODE_CLOSE:
                break
            if message:
                received.setdefault(message[0], bytearray()).extend(message[1:])
    except _TooMuch:
        raise ClusterError(
            f"the command in pod {namespace}/{pod} printed more than {MOST_OUTPUT:,} bytes. Look for what prints without end in its container"
        ) from None
    except WebSocketTimeoutException:
        raise StepTimedOut(f"the command in pod {namespace}/{pod} did not end within {limit.total_seconds():.0f} s") from None
    except WebSocketBadStatusException as error:
        raise refusal(f"exec in pod {namespace}/{pod}", error.status_code, bytes(error.resp_body or b"")) from error
    except (WebSocketException, OSError) as error:
        raise ApiUnavailable(f"exec in pod {namespace}/{pod} was cut off: {error}") from error
    finally:
        web_socket.shutdown()  # type: ignore[no-untyped-call]
    exit_code = exit_code_of(bytes(received[STATUS]), f"exec in pod {namespace}/{pod}")
    return ExecOutput(exit_code, received[STDOUT].decode(errors="replace"), received[STDERR].decode(errors="replace"))


def exit_code_of(status: bytes, request: str) -> int:
    """The exit code in the Status object at the end of the stream; ApiUnavailable when the container did not run the command."""
    if not status:
        raise ApiUnavailable(f"{request} was cut off")
    try:
        document = json.loads(status)
        succeeded = document["status"] == "Success"
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ApiUnavailable(f"{request} ended with a status that is not one of Kubernetes") from None
    if succeeded:
        return 0
    causes = document.get("details", {}).get("causes", [])
    code = next((cause["message"] for cause in causes if cause.get("reason") == "ExitCode"), None)
    if code is None:
        raise ApiUnavailable(f"{request}: {document.get('message', 'the container did not run the command')}")
    return int(code)
