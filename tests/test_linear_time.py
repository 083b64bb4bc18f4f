"""Text from hosts, API servers, registries and files takes time that grows with its length, whatever is in it."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from bundle.image_registry import _Repository
from cluster.facts.parsers.firewall.ufw import ufw
from cluster.facts.parsers.kubernetes import ca_hash
from cluster.facts.parsers.own_state import own_state
from cluster.facts.parsers.sockets import sockets
from cluster.file.document import parse_document
from cluster.file.reader import Reading
from cluster.vocabulary.control_characters import without_control
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.shell_words import shell_words
from hosts.detached import _Log
from importers.choices import Choices
from importers.formats import Format, import_files
from importers.sources import Source
from kube.network_check.answers import _curl_message, _ping_fault
from kube.state import _domain, _upstreams
from runs.scripts import _error_lines
from tests.linear_time import assert_linear


def rules(line: str) -> object:
    """The rules of ufw with this line among them."""
    return ufw(f"Status: active\nDefault: deny (incoming), allow (outgoing)\n{line}\n")


def challenge(header: str) -> object:
    """The refusal of a registry with this header."""
    response = httpx.Response(401, headers={"WWW-Authenticate": header}, request=httpx.Request("GET", "https://registry"))
    with pytest.raises(EnvironmentFault) as caught:
        _Repository("https://registry", "a", None)._authorize(response)  # type: ignore[arg-type]
    return caught


def step(line: str) -> object:
    """The facts of a host with this line of a step; malformed ones are an error."""
    try:
        return own_state(f"owner \nstep {line}\n")
    except ValueError:
        return None


def inventory(line: str) -> object:
    """The import of an inventory with this line of a host."""
    return import_files([Source("hosts.ini", f"[kube_node]\n{line}\n")], Choices(), tool=Format.KUBESPRAY)


def words(line: str) -> object:
    """A line of shell words; one that is too long is an error."""
    try:
        return shell_words(line)
    except ValueError:
        return None


def log(line: str) -> object:
    """The log of a step that prints one line in packets."""
    reader = _Log(lambda _: None)
    reader.take(b"started 1\n")
    for at in range(0, len(line), 1000):
        reader.take(line[at : at + 1000].encode())
    reader.end()
    return reader.text


def headline(line: str) -> object:
    """The starter of a step whose first line does not end."""
    reader = _Log(lambda _: None)
    for at in range(0, len(line), 1000):
        reader.take(line[at : at + 1000].encode())
    return reader.headline


@pytest.mark.parametrize(
    ("function", "before", "piece", "length"),
    [
        (rules, "a", " ", 20_000),
        (rules, "a", "  a", 20_000),
        (rules, "a", "  ALLOW", 20_000),
        (rules, "a  ALLOW IN  ", "a", 20_000),
        (rules, "(((  ALLOW IN  Anywhere", " ", 20_000),
        (lambda text: rules(f"{text}  ALLOW IN  Anywhere"), "", "(", 20_000),
        (lambda text: rules(f"{text}  ALLOW IN  Anywhere"), "1", ",1", 20_001),
        (lambda text: rules(f"{text}  ALLOW IN  Anywhere"), "", "a", 20_000),
        (ca_hash, "", "-----BEGIN CERTIFICATE-----", 400_000),
        (step, "", "a attempt=1 exit=1", 20_000),
        (sockets, "tcp LISTEN 0 0 0.0.0.0:1 0.0.0.0:* ", '(("', 20_000),
        (_domain, "", "\n", 20_000),
        (_domain, "kubernetes", " ", 20_000),
        (_upstreams, "", " \n", 20_000),
        (_upstreams, "forward .", "\n", 20_000),
        (_upstreams, "forward", " ", 20_000),
        (_ping_fault, "", "1", 20_000),
        (_curl_message, "curl: Failed to connect to ", "a port 1", 20_000),
        (_curl_message, "curl: ", "Failed to connect to ", 20_000),
        (challenge, "Basic ", "a", 20_000),
        (challenge, "Basic ", 'a="', 20_000),
        (parse_document, "a", " ", 20_000),
        (parse_document, "a: 'b", " ", 20_000),
        (parse_document, "\0", "- ", 20_000),
        (parse_document, "\0a", " ", 20_000),
        (lambda text: Reading(None, ()).line(text), "", "a", 20_000),
        (lambda text: Reading(None, ()).line(text), "a[", "[", 20_000),
        (lambda text: Reading(None, ()).line(text), "a", ".a", 20_000),
        (words, "", "a", 500_000),
        (inventory, "", "a", 500_000),
        (inventory, "", "[", 5_000),
        (inventory, "[" * 1000, ":", 4_000),
        (inventory, "", " !", 100_000),
        (inventory, "[", "a", 100_000),
        (_error_lines, "", " ", 20_000),
        (_error_lines, "", "error ", 20_000),
        (_error_lines, "", "a\n", 20_000),
        (without_control, "", "\x1b[", 20_000),
        (without_control, "\x1b[", "0;", 20_000),
        (log, "", "a", 2_000_000),
        (headline, "", "a", 2_000_000),
    ],
)
def test_time_grows_with_the_length_of_the_text(function: Callable[[str], object], before: str, piece: str, length: int) -> None:
    """Long lines, unclosed brackets and repeated beginnings."""
    assert_linear(function, lambda longest: before + (piece * longest)[:longest], length)
