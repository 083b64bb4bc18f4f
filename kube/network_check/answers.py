"""The encoder of the probe script's input, and the decoder of its output."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address

from cluster.network.checks import Check, CheckKind
from cluster.vocabulary.families import Address, Family
from kube.network_check.pods import PORT
from kube.network_check.probes import Probe
from kube.network_check.settings import Settings


def encode(probes: Sequence[Probe], settings: Settings) -> str:
    """The input lines for templates/probe/probe.sh."""
    lines = [f"{number} {probe.method} {4 if probe.family is Family.IPV4 else 6} {probe.address}" for number, probe in enumerate(probes)]
    return "\n".join([f"{settings.tries} {settings.seconds} {PORT}", *lines, "end", ""])


def decode(output: str) -> dict[int, tuple[int, str]]:
    """The exit code and the text of each probe, by its number."""
    answers: dict[int, tuple[int, str]] = {}
    for line in output.splitlines():
        number, code, _tries, *text = line.split(" ", 3)
        answers[int(number)] = int(code), text[0].strip() if text else ""
    return answers


def judge(probes: Sequence[Probe], output: str, no_output: str) -> list[Check]:
    """The result of each probe from the output of the script; `no_output` is the detail of a probe without output."""
    answers = decode(output)
    checks = []
    for position, probe in enumerate(probes):
        fault = _fault(probe, *answers[position]) if position in answers else no_output
        checks.append(
            Check(
                kind=probe.kind,
                family=probe.family,
                source=probe.source,
                target=probe.target,
                layer=probe.layer,
                ok=not fault,
                detail=fault or _measurement(probe, answers[position][1]),
                source_node=probe.source_node,
                target_node=probe.target_node,
            )
        )
    return checks


def _fault(probe: Probe, code: int, text: str) -> str:  # noqa: PLR0911 one return for each kind
    """The fault in an answer, or ""."""
    match probe.kind:
        case CheckKind.PING | CheckKind.OUTSIDE:
            return "" if code == 0 else _ping_fault(text)
        case CheckKind.DNS:
            return _name_fault(probe.addresses, code, text)
        case CheckKind.HEADLESS:
            if not probe.addresses:
                if code == 0 or "Resolving timed out" in text:
                    return "" if code == 0 else _curl_message(text)
                return f"unexpected address: {text}"
            return _name_fault(probe.addresses, code, text)
        case CheckKind.REVERSE_DNS:
            return _reverse_fault(probe.name, code, text)
        case CheckKind.SOURCE_ADDRESS:
            return _source_fault(probe.addresses, code, text)
        case CheckKind.MTU:
            return _mtu_fault(text)
        case CheckKind.SESSION_AFFINITY if code == 0:
            answered = text.split()[::2]
            return (
                "" if len({*answered}) == 1 and {*answered} <= probe.answers else f"several pods answered one client: {', '.join(answered)}"
            )
        case _:
            return _web_fault(probe.answers, code, text)


def _measurement(probe: Probe, text: str) -> str:
    """The measured value in a good answer, or ""."""
    if probe.kind is CheckKind.MTU:
        return f"{text.split(' ', maxsplit=1)[0]} bytes"
    return f"seen as {seen}" if probe.kind is CheckKind.SOURCE_ADDRESS and (seen := _source_address(text)) else ""


def _web_fault(answers: frozenset[str], code: int, text: str) -> str:
    if code != 0:
        return _curl_message(text) or f"curl ended with {code}"
    answered = text.split(" ", 1)[0]
    return "" if answered in answers else f"another pod answered: {answered!r}"


def _curl_message(text: str) -> str:
    """The message of curl, without the output before it and without the target, which the check already has."""
    message = text[text.find("curl: ") :].removeprefix("curl: ").strip()
    return re.sub(r"Failed to connect to \S++ port \d++( after \d++ ms)?: ", "", message)


def _name_fault(wanted: frozenset[Address], code: int, text: str) -> str:
    """The fault of the name resolution only: another probe checks whether the service answers."""
    if code == 6 or "Resolving timed out" in text or "Could not resolve" in text:
        return _curl_message(text)
    resolved = _last_address(text)
    if code == 0 and resolved not in wanted:
        return f"resolved to {resolved}, expected {' or '.join(map(str, sorted(wanted, key=int)))}"
    return ""


def _reverse_fault(name: str, code: int, text: str) -> str:
    if code != 0:
        return "no name found" if code not in {124, 143} else "no answer in time"
    names = [word.rstrip(".") for word in text.split()[1:]]
    return "" if name.rstrip(".") in names else f"resolved to {', '.join(names)}, expected {name}"


def _source_fault(wanted: frozenset[Address], code: int, text: str) -> str:
    seen = _source_address(text)
    if code != 0 or seen is None:
        return "no answer over UDP"
    if not wanted or seen in wanted:
        return ""
    return f"seen as {seen}, expected {' or '.join(map(str, wanted))}"


def _mtu_fault(text: str) -> str:
    octets, _, wanted = text.partition(" of ")
    if not octets.isdigit() or not wanted.isdigit():
        return f"no measurement: {text[:200]}"
    if int(octets) >= int(wanted):
        return ""
    if octets == "0":
        return f"packets of {wanted} bytes and packets of half that size are lost"
    return f"the largest unfragmented packet has {octets} bytes, the pod's interface sends {wanted}"


def _source_address(text: str) -> Address | None:
    """The address in `ADDRESS:PORT` or `[ADDRESS]:PORT`."""
    return _address(text.rpartition(":")[0])


def _last_address(text: str) -> Address | None:
    return _address(text.rsplit(" ", maxsplit=1)[-1])


def _address(word: str) -> Address | None:
    try:
        address = ip_address(word.strip("[]"))
    except ValueError:
        return None
    # a dual-stack socket reports IPv4 clients as IPv4-mapped addresses
    return (address.ipv4_mapped or address) if address.version == 6 else address


def _ping_fault(text: str) -> str:
    loss = re.search(r"(?<!\d)\d++% packet loss", text)
    return f"no answer ({loss[0]})" if loss else text[:200] or "no answer"
