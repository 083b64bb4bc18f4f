"""Values of steps that other parts rely on."""

from __future__ import annotations

from pathlib import Path

from cluster.plan.values import claim_values
from tests.cluster.plan.test_graph import spec_of

LEFTOVERS = Path(__file__).parents[3] / "templates" / "facts" / "leftovers.sh.j2"


def claimed() -> dict[str, list[str]]:
    """The values of the claim."""
    spec = spec_of("ipv4")
    return claim_values(spec, spec.hosts[0])


def test_data_that_the_claim_refuses_is_found_before_any_change() -> None:
    """The facts look into exactly these folders."""
    (line,) = [line for line in LEFTOVERS.read_text().splitlines() if line.startswith("for folder in ")]
    assert line.removeprefix("for folder in ").removesuffix("; do").split() == claimed()["data_folders"]


def test_every_folder_is_in_one_list_of_its_kind() -> None:
    """Copied and data folders are among the folders that reset cleans; shared ones are not."""
    values = claimed()
    assert {*values["copied_folders"], *values["data_folders"]} < {*values["folders"]}
    assert not {*values["shared_folders"]} & {*values["folders"]}
    assert not {*values["copied_folders"]} & {*values["data_folders"]}
