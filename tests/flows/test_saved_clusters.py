"""Saved clusters: checked when they are saved and whenever they are used; commands and flows take their names."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from blocks.age_identity import recipient_of
from blocks.backup_store import BackupStore
from cluster.vocabulary.copies import CopySource, EtcdCopy
from tests.conftest import Workplace

pytestmark = pytest.mark.server

EXAMPLES = Path(__file__).parents[2] / "deployments" / "examples"
DOCUMENT: dict[str, Any] = yaml.safe_load((EXAMPLES / "dual-stack.yaml").read_text(encoding="utf-8")) | {"name": "saved"}


def document(**changes: Any) -> dict[str, Any]:
    """A good cluster file of cluster `saved`, with changes."""
    return {**copy.deepcopy(DOCUMENT), **changes}


@pytest.fixture
def place(prefect_server: Workplace) -> Iterator[Workplace]:
    """The server without any saved cluster, before and after."""
    yield prefect_server
    for name in saved(prefect_server):
        prefect_server.remove_block(f"saved-cluster/{name}")
    assert saved(prefect_server) == {}


def saved(place: Workplace) -> dict[str, str]:
    """The texts of all saved clusters by name."""
    found = place.api("/block_documents/filter", {"block_types": {"slug": {"any_": ["saved-cluster"]}}, "include_secrets": True})
    return {block["name"]: block["data"]["file"] for block in found}


def test_a_file_is_saved_under_the_name_of_its_cluster_with_its_comments(place: Workplace) -> None:
    """The text is kept as it is."""
    file = Path(place.write("saved.yaml", document()))
    text = f"# who asked for it\n{file.read_text()}"
    file.write_text(text)
    assert place.sixstack("save", str(file)).returncode == 0
    assert saved(place) == {"saved": text}


def test_saving_again_changes_nothing_and_other_content_is_kept_until_overwritten(place: Workplace) -> None:
    """Nobody loses an edit made on the block's page."""
    file = place.write("saved.yaml", document())
    assert place.sixstack("save", file).returncode == 0
    before = saved(place)
    assert place.sixstack("save", file).returncode == 0
    other = place.write("other.yaml", document(tkestack_labels=True))
    refused = place.sixstack("save", other)
    assert refused.returncode == 1
    assert "+tkestack_labels" in refused.stderr.replace('"', "")
    assert saved(place) == before
    assert place.sixstack("save", other, "--overwrite").returncode == 0
    assert yaml.safe_load(saved(place)["saved"])["tkestack_labels"] is True


def test_a_file_with_problems_is_not_saved(place: Workplace) -> None:
    """All problems are reported at once."""
    done = place.sixstack("save", place.write("bad.yaml", document(stack="ipv5", hosts=[])))
    assert done.returncode == 1
    assert {"[not-in-choices]", "[missing-value]"} <= {word for word in done.stderr.split() if word.startswith("[")}
    assert saved(place) == {}


def test_paths_of_manifests_become_absolute(place: Workplace) -> None:
    """The worker reads them in another folder."""
    network = Path(place.prefect.root) / "network.yaml"
    network.write_text("apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: network, namespace: kube-system}\n")
    file = place.write("saved.yaml", document(cni={"kind": "manifests", "files": ["network.yaml"]}))
    done = place.sixstack("save", file)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(saved(place)["saved"])["cni"]["files"] == [str(network)]


def test_a_name_that_nothing_has_is_an_error_with_the_nearest_name(place: Workplace) -> None:
    """Exit code 3, as for every missing block. verify also looks for a kubeconfig of that name, so its run fails."""
    assert place.sixstack("save", place.write("saved.yaml", document())).returncode == 0
    for command in (["check"], ["params"], ["plan"], ["create"], ["delete", "--confirm", "saved"]):
        done = place.sixstack(command[0], "savde", *command[1:])
        assert done.returncode == 3, done.stdout
        assert "`saved`" in done.stderr
    assert place.sixstack("verify", "savde").returncode == 1


def test_check_and_params_take_a_name(place: Workplace) -> None:
    """The parameters have the name, so that a run reads the file as it is then."""
    assert place.sixstack("save", place.write("saved.yaml", document())).returncode == 0
    assert place.sixstack("check", "saved").returncode == 0
    assert json.loads(place.sixstack("params", "saved").stdout) == {"cluster": "saved"}


def test_a_block_edited_on_its_page_is_checked_by_every_command_and_run(place: Workplace) -> None:
    """A name that differs from the block's, and any other problem."""
    place.save_blocks({"saved-cluster": {"saved": {"file": yaml.safe_dump(document(name="other", stack="ipv5"))}}})
    checked = place.sixstack("check", "saved", "--output", "json")
    assert checked.returncode == 1
    assert {problem["code"] for problem in json.loads(checked.stdout)["problems"]} >= {"saved-under-another-name", "not-in-choices"}
    run = place.start("create-cluster/default", {"cluster": "saved"})
    message = place.ended(run)["state"]["message"]
    assert "saved-under-another-name" in message
    assert "not-in-choices" in message


@pytest.mark.parametrize("given", ["text", "fields"])
def test_the_deployment_saves_a_file_or_a_form(place: Workplace, given: str) -> None:
    """The flow takes the text of a file, or the fields of the form, which a browser sends in any order."""
    cluster: Any = yaml.safe_dump(document()) if given == "text" else dict(reversed(document().items()))
    run = place.start("save-cluster/default", {"cluster": cluster})
    assert place.ended(run)["state"]["type"] == "COMPLETED"
    assert yaml.safe_load(saved(place)["saved"]) == document()
    assert saved(place)["saved"].startswith("name: saved\n") == (given == "fields")
    assert place.ended(place.start("save-cluster/default", {"cluster": document(tkestack_labels=True)}))["state"]["message"].count(
        "saved-cluster-differs"
    )
    assert yaml.safe_load(saved(place)["saved"]) == document()


def test_the_deployment_reports_all_problems(place: Workplace) -> None:
    """Nothing is saved."""
    run = place.start("save-cluster/default", {"cluster": "name: saved\nstack: ipv5\nhosts: []\n"})
    message = place.ended(run)["state"]["message"]
    assert message.count("not-in-choices") == 1
    assert message.count("missing-value") == 1
    assert saved(place) == {}


def test_a_path_is_no_name_for_a_flow(place: Workplace) -> None:
    """The file is on another machine than the worker."""
    run = place.start("create-cluster/default", {"cluster": "./saved.yaml"})
    assert "[malformed]" in place.ended(run)["state"]["message"]


def test_a_file_without_a_slash_is_explained(place: Workplace) -> None:
    """A path has / or the ending of a cluster file."""
    (place.prefect.root / "somefile").write_text(yaml.safe_dump(document()))
    done = place.sixstack("check", "somefile")
    assert done.returncode == 3
    assert "./somefile" in done.stderr
    assert place.sixstack("check", "./somefile").returncode == 0


def test_clusters_lists_saved_files(place: Workplace) -> None:
    """Stack mode and version come from the file; nothing is known of its nodes yet."""
    assert place.sixstack("save", place.write("saved.yaml", document())).returncode == 0
    (row,) = json.loads(place.sixstack("clusters", "--output", "json").stdout)
    assert (row["cluster"], row["saved"], row["nodes_ready"]) == ("saved", "file", "not created")
    assert row["version"] == "v" + str(document().get("kubernetes_version", "1.36.3")).removeprefix("v")


def test_secrets_are_refused(place: Workplace) -> None:
    """A password has no field in a cluster file, and is not printed."""
    with_password = document()
    with_password["hosts"][0]["ssh"]["password"] = "canary-password"
    done = place.sixstack("save", place.write("saved.yaml", with_password))
    assert done.returncode == 1
    assert "canary-password" not in done.stdout + done.stderr
    assert saved(place) == {}


def test_the_parameters_of_older_schedules_keep_working(place: Workplace) -> None:
    """verify-cluster with the name of a kubeconfig and the file beside it: the file is read and checked."""
    parameters = {"cluster": "saved", "file": document(stack="ipv5")}
    message = place.ended(place.start("verify-cluster/default", parameters))["state"]["message"]
    assert "not-in-choices" in message


def test_the_overview_has_the_time_of_the_newest_copy(place: Workplace, tmp_path: Path) -> None:
    """Of the Backup store that the file names. Storage that does not work is said to be the reason; a block that does not exist is none."""
    recipient = recipient_of(place.prefect.identity)
    blocks = {"overview": {"url": str(tmp_path), "recipient": recipient}, "broken": {"url": "nothing://here", "recipient": recipient}}
    place.save_blocks({"backup-store": blocks})
    for day in (24, 25):
        created = datetime(2026, 11, day, 3, 30, tzinfo=UTC)
        source = CopySource(cluster="saved", host="a", kubernetes_version="v1.36.3", flow_run="r", created=created, etcd=EtcdCopy.SNAPSHOT)
        BackupStore(url=str(tmp_path), recipient=recipient).write(source, iter([b"x"]))
    for store, expected in (("overview", "2026-11-25 03:30"), ("broken", "unknown: "), ("not-there", "")):
        assert place.sixstack("save", place.write("saved.yaml", document(backups=store)), "--overwrite").returncode == 0
        (row,) = json.loads(place.sixstack("clusters", "--output", "json").stdout)
        assert row["last_backup"].startswith(expected)
        assert bool(row["last_backup"]) is bool(expected)
        assert (row["drift"], row["next_expiry"]) == ("", "")
