"""What the supported minors of Kubernetes do not share: arguments and fields that one of them has and another has not.

The tables of component_arguments.py and component_fields.py hold those of every supported minor. A name that is not listed here is in all of them.
tests/flows/test_kubernetes_versions.py compares the arguments with `--help` of each release; the fields come from the Go types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from cluster.vocabulary.releases import Minor

Kind = TypeVar("Kind")

# component -> the first minor that has the names
_FIRST: dict[str, dict[Minor, str]] = {
    "kubelet_fields": {
        (1, 36): "tlsCurvePreferences memoryReservationPolicy",
        (1, 37): "defaultPodSysctls",
    },
}
# component -> the last minor that has the names
_LAST: dict[str, dict[Minor, str]] = {}


def of_minor(component: str, names: Mapping[str, Kind], minor: Minor) -> dict[str, Kind]:
    """The part of a component's table that this minor has."""
    absent = {name for first, listed in _FIRST.get(component, {}).items() if minor < first for name in listed.split()}
    absent |= {name for last, listed in _LAST.get(component, {}).items() if minor > last for name in listed.split()}
    return {name: kind for name, kind in names.items() if name not in absent}
