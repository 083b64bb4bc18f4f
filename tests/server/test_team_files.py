"""The files of deployments/team have the form that their readers want. No container or chart is started with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.settings import PrefectSettings
from tests.server.team_certificate import AUTHORITY, CERTIFICATE

ROOT = Path(__file__).parents[2]
TEAM = ROOT / "deployments" / "team"
COMPOSE = yaml.safe_load((TEAM / "compose.yaml").read_text(encoding="utf-8"))
VALUES = yaml.safe_load((TEAM / "prefect-server-values.yaml").read_text(encoding="utf-8"))
SERVER = COMPOSE["services"]["server"]
SECRET = re.compile(r"PASSWORD|AUTH|SECRET|KEY|CONNECTION_URL")
# of the chart, version of August 2026: a name that it does not have would change nothing
CHART = {
    "global": {"prefect"},
    "server": {"replicaCount", "updateStrategy", "basicAuth", "uiConfig", "env", "extraVolumes", "extraVolumeMounts"},
    "secret": {"create", "name"},
    "postgresql": {"enabled"},
    "ingress": {"enabled", "host", "tls"},
}


def variables() -> dict[str, dict[str, Any]]:
    """The environment of the server of each file."""
    return {
        "compose.yaml": SERVER["environment"],
        "prefect-server-values.yaml": {item["name"]: item["value"] for item in VALUES["server"]["env"]},
    }


def test_every_variable_is_a_setting_of_prefect() -> None:
    """Prefect ignores a name that it does not know."""
    from prefect.settings import Settings
    from prefect.settings.legacy import _get_valid_setting_names

    known = _get_valid_setting_names(Settings)
    assert {name: set(found) - known for name, found in variables().items()} == {"compose.yaml": set(), "prefect-server-values.yaml": set()}


def settings_of_setup(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """What `sixstack setup` writes for a server, as names of variables."""
    settings = PrefectSettings(tmp_path)
    settings.write(home=tmp_path, port=4200, public_url="https://prefect.example")

    def walk(table: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
        for name, value in table.items():
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}_{name.upper()}")
            else:
                yield f"{prefix}_{name.upper()}", str(value)

    document = settings._document()
    yield from walk(document["server"], "PREFECT_SERVER")
    yield "PREFECT_UI_URL", document["ui_url"]


@pytest.mark.parametrize("file", variables())
def test_the_server_has_the_settings_of_setup(tmp_path: Path, file: str) -> None:
    """Those that are not of one machine, or given by the chart, have the same values."""
    own = {"compose.yaml": set[str](), "prefect-server-values.yaml": {"API_HOST", "API_PORT", "API_AUTH_STRING", "UI_API_URL"}}[file]
    found = variables()[file]
    for name, value in settings_of_setup(tmp_path):
        if name.removeprefix("PREFECT_SERVER_") in own:
            continue
        assert name in found
        if not SECRET.search(name) and not name.endswith("ORIGINS"):
            assert found[name].lower().removesuffix(".0") == value.lower().removesuffix(".0"), name


@pytest.mark.parametrize("file", sorted(path.name for path in TEAM.glob("*.yaml")))
def test_no_secret_is_in_a_file(file: str) -> None:
    """A value of such a name is a reference without a default."""
    text = (TEAM / file).read_text(encoding="utf-8")
    for name, value in re.findall(r"(?m)^\s*(?:- )?(\w+): *(\S.*)$", text):
        if SECRET.search(name.upper()) and name.isupper():
            assert re.match(r"\$\{\w+:\?", value), f"{name}: {value}"
    assert not re.search(r"://[^/\s:@]+:(?!PASSWORD@)[^/\s@]+@", text)
    assert {"password", "authString"} & {*VALUES["secret"], *VALUES["server"]["basicAuth"]} == set()


def test_the_images_have_the_version_of_the_lock() -> None:
    """A server that is older than its workers refuses what they send."""
    locked = re.search(r"(?m)^prefect==(\S+)", (ROOT / "requirements-run.lock").read_text(encoding="utf-8"))
    assert locked
    image = VALUES["global"]["prefect"]["image"]
    assert SERVER["image"] == f"{image['repository']}:{image['prefectTag']}" == f"prefecthq/prefect:{locked[1]}-python3.11"


def test_compose_refers_to_what_it_has() -> None:
    """Services, volumes and the configuration of nginx; each service has an image with a version."""
    services = COMPOSE["services"]
    for service in services.values():
        assert re.fullmatch(r"[\w/.-]+:\d[\w.-]*", service["image"])
        assert set(service.get("depends_on", ())) <= set(services)
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or source == "./certificates" or (TEAM / source).is_file(), source
    assert services["proxy"]["network_mode"] == "service:server"
    assert "proxy_pass http://127.0.0.1:4200;" in (TEAM / "nginx.conf").read_text(encoding="utf-8")


def test_the_values_have_names_of_the_chart() -> None:
    """One server whose folder and database outlive its pod."""
    assert {name: set(value) for name, value in VALUES.items()} == CHART
    (volume,), (mount,) = VALUES["server"]["extraVolumes"], VALUES["server"]["extraVolumeMounts"]
    assert volume["name"] == mount["name"]
    assert variables()["prefect-server-values.yaml"]["PREFECT_HOME"] == mount["mountPath"]
    assert SERVER["environment"]["PREFECT_HOME"] in {path.split(":")[1] for path in SERVER["volumes"]}


def test_the_page_has_the_commands_that_the_tests_run() -> None:
    """For the authority and the certificate; and it says what was checked for form only."""
    page = re.sub(r" \\\n\s+", " ", (ROOT / "docs" / "how-to" / "team.md").read_text(encoding="utf-8"))
    assert AUTHORITY in page
    assert CERTIFICATE in page
    assert "checked for form only" in page
