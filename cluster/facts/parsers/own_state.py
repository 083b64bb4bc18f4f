"""State of sixstack on the host: parts sixstack, bundle and images."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cluster.facts.host_facts import StepState
from cluster.facts.parsers.sections import pairs, value, values


@dataclass(frozen=True, slots=True)
class OwnState:
    """Content of /var/lib/sixstack: owner, prepared state, and detached steps; and the marker of a test host."""

    owner: str | None = None
    prepared: str | None = None
    steps: tuple[StepState, ...] = ()
    foreign_authority: bool = False  # the certificate authority changed after init or join
    test_host: bool = False
    changed_files: tuple[str, ...] = ()
    hosts_entries: tuple[str, ...] = ()


def own_state(text: str) -> OwnState:
    """Part sixstack."""
    if not any(word == "owner" for word, _ in pairs(text)):
        raise ValueError("the owner is missing")
    units = set(values(text, "unit"))
    steps = tuple(_step(line, units) for line in values(text, "step"))
    return OwnState(
        value(text, "owner"),
        value(text, "prepared"),
        steps,
        _foreign_authority(value(text, "authority")),
        value(text, "test-host") == "yes",
        values(text, "changed"),
        values(text, "hosts-entry"),
    )


def _foreign_authority(line: str | None) -> bool:
    """`line`: two digests of ca.crt. False without both digests."""
    found = re.fullmatch(r"then=([0-9a-f]{64}) now=([0-9a-f]{64})", line or "")
    return found is not None and found[1] != found[2]


def _step(line: str, units: set[str]) -> StepState:
    found = re.fullmatch(r"(\S+) attempt=(\d*) exit=(\d*)", line)
    if found is None:
        raise ValueError(f"the line of a step is malformed: {line!r}")
    name, attempt, code = found[1], int(found[2] or 0), found[3]
    # the unit is named sixstack-STEP-CLUSTER-ATTEMPT
    running = not code and any(unit.startswith(f"sixstack-{name}-") and unit.endswith(f"-{attempt}") for unit in units)
    return StepState(name, attempt, running, int(code) if code else None)


@dataclass(frozen=True, slots=True)
class InstalledFiles:
    """Bundle files on the host: content sha256 of the unchanged files, and the paths of all installed files."""

    intact: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()


def installed_files(text: str) -> InstalledFiles:
    """Part bundle: a file is intact if its size and time match its marker. Malformed markers are ignored."""
    now = {place: (size, changed) for place, size, changed in (line.rsplit(" ", 2) for line in values(text, "file"))}
    intact, paths = set(), set()
    for line in values(text, "marker"):
        sha256, _, place = line.partition(" ")
        target, *then = place.rsplit(" ", 2)
        if target:
            paths.add(target)
        if len(then) == 2 and now.get(target) == tuple(then):
            intact.add(sha256)
    return InstalledFiles(frozenset(intact), frozenset(paths))


def images(text: str) -> frozenset[str]:
    """Part images: references in containerd's k8s.io namespace; without references by digest or image id."""
    return frozenset(line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("sha256:"))
