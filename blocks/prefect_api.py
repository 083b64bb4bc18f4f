"""Requests to the Prefect server without an import of Prefect, which takes one second of CPU time: for commands that must be fast.

The settings are Prefect's own. Where they are in the environment or in prefect.toml, as `sixstack prefect-settings` writes it, they are read from
there. For every other source (profiles, .env, pyproject.toml, Prefect Cloud, other TLS settings), Prefect is imported and asked. Where there is
no source at all, the answer needs no import either.
"""

from __future__ import annotations

import os
import ssl
import sys
import time
import tomllib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any
from uuid import uuid4

import httpx

from cluster.vocabulary.errors import EnvironmentFault

CONNECT_SECONDS = 5.0
# Prefect's connections wait for the lock of an SQLite database for up to 60 s, and a request for them. Prefect's own client would try for minutes.
ANSWER_SECONDS = 65.0
NOTICE_SECONDS = 6.0  # then the user learns what a command waits for; later than the error about a server that takes no connection
BUSY_SECONDS = (0.5, 1.0, 2.0, 4.0)  # waits between attempts while the server answers that its database is locked
_URL, _AUTH, _AUTHORITY = "PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_API_SSL_CERT_FILE"
_UNRELATED = ("PREFECT_HOME", "PREFECT_SERVER_", "PREFECT_LOGGING_", "PREFECT_WORKER_")  # they do not say how the server is reached
_UNREADABLE: dict[str, Any] = {"client": None}  # Prefect reports it
NO_SERVER = (
    "no Prefect server is configured: `sixstack setup` sets one up. If there is one, run this from the folder with its prefect.toml, "
    "or set PREFECT_API_URL and PREFECT_API_AUTH_STRING"
)


class NotFound(EnvironmentFault):
    """The server has no object at this path."""


@dataclass(frozen=True, slots=True, repr=False)
class ServerAccess:
    """How the server is reached; the `repr` shows no secret."""

    url: str
    ui: str = ""  # address of the UI
    headers: Mapping[str, str] = field(default_factory=dict)
    verify: bool | str = True

    def __repr__(self) -> str:
        return f"ServerAccess(url={self.url!r})"


def server_access() -> ServerAccess:
    """The access that Prefect's settings describe; EnvironmentFault when they name no server."""
    access = _access()
    if access is None:
        raise EnvironmentFault(NO_SERVER)
    return access


def is_configured() -> bool:
    """Whether Prefect's settings name a server, which may not answer."""
    return _access() is not None


def _access() -> ServerAccess | None:
    return _access_without_prefect() or (None if _has_no_settings() else _access_from_prefect())


class PrefectApi:
    """A connection to the server, for a few requests of one command."""

    def __init__(self, access: ServerAccess, client: httpx.Client) -> None:
        self.url, self.ui = access.url, access.ui
        self._client = client
        self._has_token = False

    def get(self, path: str, **query: str) -> Any:
        """The document at this path; NotFound when there is none, EnvironmentFault when the server does not answer or refuses."""
        return self._request("GET", path, params=query)

    def post(self, path: str, body: object) -> Any:
        """The answer to a document."""
        return self._request("POST", path, json=body)

    def answer(self, method: str, path: str, **content: Any) -> httpx.Response:
        """The answer, also when it is a refusal. EnvironmentFault when the server does not answer."""
        if method != "GET":
            self._send_token()
        return self._raw(method, path, **content)

    def block(self, slug: str, name: str) -> dict[str, Any] | None:
        """The fields of a block, with its secrets; None when there is no block of this type and name."""
        try:
            return dict(self.get(f"/block_types/slug/{slug}/block_documents/name/{name}", include_secrets="true")["data"])
        except NotFound:
            return None

    def block_names(self, slug: str) -> list[str]:
        """The names of all blocks of a type; none when no block of it was ever saved."""
        try:
            found = self.get(f"/block_types/slug/{slug}/block_documents", include_secrets="false")
        except NotFound:
            return []
        return [str(document["name"]) for document in found if document.get("name")]

    def _send_token(self) -> None:
        """A server with protection against cross-site requests wants its own token in every change."""
        if self._has_token:
            return
        name = str(uuid4())
        answer = self._raw("GET", "/csrf-token", params={"client": name})
        if answer.is_success:  # else the protection is off
            self._client.headers.update({"Prefect-Csrf-Client": name, "Prefect-Csrf-Token": answer.json()["token"]})
        self._has_token = True

    def _request(self, method: str, path: str, **content: Any) -> Any:
        answer = self.answer(method, path, **content)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise EnvironmentFault(
                f"the Prefect server at {self.url} refuses the password: run this from the folder with its prefect.toml, "
                "or set PREFECT_API_AUTH_STRING"
            )
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotFound(f"the Prefect server at {self.url} has no {path}")
        if not answer.is_success:
            raise EnvironmentFault(f"the Prefect server at {self.url} refuses {method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()

    def _raw(self, method: str, path: str, **content: Any) -> httpx.Response:
        notice = Timer(NOTICE_SECONDS, self._say_what_is_awaited)
        notice.daemon = True  # an interrupted command ends at once
        notice.start()
        try:
            waits = iter(BUSY_SECONDS)
            while True:
                answer = self._client.request(method, f"{self.url}{path}", **content)
                busy = answer.status_code in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
                if not busy or (seconds := next(waits, None)) is None:
                    return answer
                time.sleep(seconds)  # a request that the server answers like this has changed nothing
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as lost:
            raise EnvironmentFault(f"the Prefect server at {self.url} cannot be reached: {str(lost) or type(lost).__name__}") from lost
        finally:
            notice.cancel()

    def _say_what_is_awaited(self) -> None:
        print(f"waiting for an answer of the Prefect server at {self.url} (up to {ANSWER_SECONDS:.0f} s)", file=sys.stderr, flush=True)


@contextmanager
def prefect_api() -> Iterator[PrefectApi]:
    """A connection to the configured server. Nothing is sent before the first request."""
    access = server_access()
    timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
    with httpx.Client(headers=access.headers, verify=_verification(access), timeout=timeout) as client:
        yield PrefectApi(access, client)


def verification(url: str, authority: str | None) -> ssl.SSLContext | bool:
    """How httpx verifies the certificate of this server: with the authorities of the file, else with its own list. OSError for a file without any."""
    if not url.startswith("https:"):
        return False  # reading the authorities of this machine takes 30 ms
    return True if authority is None else ssl.create_default_context(cafile=authority)


def _verification(access: ServerAccess) -> ssl.SSLContext | bool:
    if isinstance(access.verify, bool):
        return access.verify and verification(access.url, None)
    try:
        return verification(access.url, access.verify)
    except OSError as fault:
        raise EnvironmentFault(f"{access.verify} is no file with the certificate of an authority: {fault}") from None


def _has_no_settings() -> bool:
    """Whether no source that Prefect reads exists, as before `sixstack setup`: then Prefect would name no server."""
    if any(_variables()) or _is_in_pyproject() or _table("pyproject.toml") == _UNREADABLE:
        return False
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
    return not any(file.exists() for file in (Path(".env"), Path("prefect.toml"), home / "profiles.toml"))


def _variables() -> Iterator[tuple[str, str]]:
    """The variables that may say how the server is reached."""
    for name, value in os.environ.items():
        if name.upper().startswith("PREFECT_") and not name.startswith(_UNRELATED):
            yield name, value


def _is_in_pyproject() -> bool:
    return bool(_table("pyproject.toml").get("tool", {}).get("prefect"))


def _access_without_prefect() -> ServerAccess | None:
    """The access from the environment and prefect.toml; None when another source may have a setting that counts."""
    found = dict(_variables())
    if not found.keys() <= {_URL, _AUTH, _AUTHORITY}:
        return None
    if Path(".env").exists() or _is_in_pyproject():
        return None
    settings = _table("prefect.toml")
    api = settings.get("api", {})
    if (
        not settings.keys().isdisjoint({"client", "profiles_path"})
        or not isinstance(api, dict)
        or not api.keys() <= {"url", "auth_string", "ssl_cert_file"}
    ):
        return None
    url, auth = found.get(_URL, api.get("url")), found.get(_AUTH, api.get("auth_string"))
    if not isinstance(url, str) or not isinstance(auth, str) or not auth or not url.endswith("/api"):
        return None
    ui, authority = settings.get("ui_url", url.removesuffix("/api")), found.get(_AUTHORITY, api.get("ssl_cert_file"))
    if not isinstance(ui, str) or not isinstance(authority, str | None) or authority == "":
        return None
    return ServerAccess(url, ui, _basic(auth), authority or True)


def _table(file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return _UNREADABLE


def _access_from_prefect() -> ServerAccess | None:
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    if not settings.api.url:
        return None
    headers = dict(settings.client.custom_headers)
    if settings.api.auth_string is not None:
        headers |= _basic(settings.api.auth_string.get_secret_value())
    elif settings.api.key is not None:
        headers["Authorization"] = f"Bearer {settings.api.key.get_secret_value()}"
    verify: bool | str = settings.api.ssl_cert_file or True
    return ServerAccess(
        settings.api.url.rstrip("/"), settings.ui_url or "", headers, False if settings.api.tls_insecure_skip_verify else verify
    )


def _basic(auth: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(auth.encode()).decode()}"}
