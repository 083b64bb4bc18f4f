"""The history of retests: one row for each run and cluster, whatever is in the store."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.retests.history import MOST_CHANGES, Change, ClusterHistory, RowResult, read_history, shown_phases
from cluster.retests.records import Phase, PhaseRecord, RetestRecord, RetestResult
from tests.cluster.retests.records_of_nights import CLUSTERS, FILE, FIRST_NIGHT, PHASES, documents, night_start, retest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def state(*records: RetestRecord) -> ClusterHistory:
    """The state of the only cluster of these records."""
    (found,) = read_history(documents(*records)).clusters()
    return found


def test_a_row_has_what_the_record_has() -> None:
    """Durations by phase and in total, the first line of the error, the runs, versions and file."""
    (row,) = read_history(documents(retest(0, result=RetestResult.FAILED, kept=True))).rows
    assert (row.start, row.cluster, row.stack, row.result) == (FIRST_NIGHT + timedelta(minutes=1), "v4", "ipv4", RowResult.FAILED)
    assert (row.seconds, [row.phase_seconds(phase) for phase in PHASES]) == (100, [25] * 4)
    assert (row.failed_step, row.error, row.kept) == ("verify-network/cluster", "the network is broken", True)
    assert (row.flow_run, [phase.flow_run for phase in row.phases][:2]) == ("run-0", ["free-hosts-0", "create-0"])
    assert (row.versions["kubernetes"], row.file) == ("1.36.3", FILE)


def test_a_row_is_json_with_every_field() -> None:
    """Phases that did not run have no duration and no run."""
    phases = [PhaseRecord(phase=Phase.CREATE, flow_run="create-0", seconds=12.5, succeeded=False)]
    (row,) = read_history(documents(retest(0, result=RetestResult.FAILED, phases=phases))).rows
    document = json.loads(json.dumps(row.as_dict()))
    assert {phase: seconds for phase, seconds in document["phase_seconds"].items() if seconds is not None} == {"create": 12.5}
    assert document["phase_seconds"].keys() == set(Phase)
    assert document["failed_phase"] == "create"
    assert document["phase_flow_runs"] == {"create": "create-0"}
    assert (document["start"], document["result"], document["file"]) == ("2026-01-01T02:01:00+00:00", "failed", FILE)


def test_the_flows_of_one_phase_count_together() -> None:
    """A restore is three flows; the phase that failed first is named, whichever failed after it."""
    ran = [(Phase.CREATE, 60, True), (Phase.RESTORE, 5, True), (Phase.RESTORE, 70, False), (Phase.DELETE, 9, False)]
    phases = [
        PhaseRecord(phase=phase, flow_run=f"run-{n}", seconds=seconds, succeeded=good) for n, (phase, seconds, good) in enumerate(ran)
    ]
    (row,) = read_history(documents(retest(0, result=RetestResult.FAILED, phases=phases))).rows
    assert row.phase_seconds(Phase.RESTORE) == 75
    assert row.failed_phase is Phase.RESTORE
    assert row.as_dict()["phase_flow_runs"]["restore"] == "run-2"


def test_only_phases_that_ran_have_a_column_beside_those_of_every_retest() -> None:
    """The columns of upgrade and restore appear with the first row that has them, in the order of the phases."""
    plain = read_history(documents(retest(0))).rows
    assert shown_phases(plain) == shown_phases(()) == PHASES
    upgraded = [*retest(1).phases, PhaseRecord(phase=Phase.UPGRADE, flow_run="x", seconds=90, succeeded=True)]
    rows = read_history(documents(retest(0), retest(1, phases=upgraded))).rows
    assert shown_phases(rows) == (Phase.FREE_HOSTS, Phase.CREATE, Phase.UPGRADE, Phase.VERIFY, Phase.DELETE)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is slow, not wrong
@given(st.permutations(documents(night_start(0), retest(0), retest(0, "v6"), night_start(1, {"v4": "ipv4"}), retest(1))))
def test_rows_are_sorted_by_night_in_any_order_of_the_documents(shuffled: list[dict[str, Any]]) -> None:
    """Oldest first, with those that a night did not finish."""
    history = read_history(shuffled)
    nights = [[row.cluster for row in night if row.result is RowResult.PASSED] for night in history.nights()]
    assert nights == [["v4", "v6"], ["v4"]]
    assert [row.cluster for row in history.rows if row.result is RowResult.NOT_FINISHED] == ["dual", "dual-v6"]


def test_a_cluster_without_a_record_is_not_finished() -> None:
    """The run named it and was killed: the row has the stack mode and no duration."""
    rows = {row.cluster: row for row in read_history(documents(night_start(0), retest(0))).rows}
    assert rows.keys() == CLUSTERS.keys()
    assert rows["v4"].result is RowResult.PASSED
    assert (rows["v6"].result, rows["v6"].stack, rows["v6"].seconds) == (RowResult.NOT_FINISHED, "ipv6", None)
    assert rows["v6"].start == FIRST_NIGHT


def test_the_last_attempt_counts() -> None:
    """A retried run has several records of one cluster; a run with two start records has each cluster once."""
    first, second = retest(0, result=RetestResult.FAILED), retest(0, attempt=2)
    again = night_start(0).model_copy(update={"attempt": 2})
    for order in ([first, second], [second, first]):
        history = read_history(documents(night_start(0, {"v4": "ipv4", "v6": "ipv6"}), *order, again))
        assert [(row.cluster, row.result) for row in history.rows if row.cluster == "v4"] == [("v4", RowResult.PASSED)]
        assert len(history.rows) == len(CLUSTERS)


def broken(**changes: Any) -> dict[str, Any]:
    """The document of a retest with other fields; None removes one."""
    (document,) = documents(retest(1))
    return {key: value for key, value in {**document, **changes}.items() if value is not None or key not in changes}


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {},
        {"step": 7},
        broken(start=None),
        broken(result=None),
        broken(result="postponed"),
        broken(start="yesterday"),
        broken(start="9999-12-31T23:59:59-12:00"),
        broken(field_of_a_later_version=1),
        broken(phases=[{"phase": "create", "flow_run": "x", "seconds": float("nan"), "succeeded": True}]),
        broken(phases=[{"phase": "downgrade", "flow_run": "x", "seconds": 1, "succeeded": True}]),
    ],
    ids=lambda document: str(document)[-40:],
)
def test_an_unreadable_record_is_counted(document: Any) -> None:
    """And the others are read."""
    history = read_history([*documents(retest(0)), document, *documents(retest(2))])
    assert ([row.flow_run for row in history.rows], history.unreadable) == (["run-0", "run-2"], 1)


def test_a_record_of_another_step_is_no_row() -> None:
    """Nor is it unreadable."""
    history = read_history([{"step": "clean-up", "result": 3}])
    assert (history.rows, history.unreadable) == ((), 0)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is slow, not wrong
@given(JSON, st.sampled_from(sorted(documents(retest(1))[0])))
def test_any_value_of_a_field_is_read_or_counted(value: Any, name: str) -> None:
    """And what is read can be sorted and compared with other rows."""
    changed = documents(retest(1))[0] | {name: value}
    history = read_history(copy.deepcopy([*documents(retest(0)), changed, *documents(retest(2))]))
    assert 2 <= len(history.rows) <= 3
    assert len(history.rows) + history.unreadable == 3 or name in {"step", "flow_run", "attempt", "host"}
    assert all(found.newest for found in history.clusters())


def test_times_without_a_time_zone_are_utc() -> None:
    """They are sorted among the others."""
    history = read_history([*documents(retest(0)), broken(start="2026-01-02T02:01:00", end="2026-01-02T02:02:00")])
    assert [row.seconds for row in history.rows] == [100, 60]


def test_the_last_good_row_is_the_newest_one_that_passed() -> None:
    """A cluster that never passed has none."""
    rows = [retest(0), retest(1), retest(2, result=RetestResult.FAILED), retest(3, result=RetestResult.SKIPPED)]
    found = state(*rows)
    assert found.last_good is not None
    assert (found.newest.flow_run, found.last_good.flow_run) == ("run-3", "run-1")
    assert state(retest(0, result=RetestResult.REFUSED)).last_good is None


def test_changes_since_the_last_good_row() -> None:
    """Versions and fields of the file, with old and new values; a new program had none, a removed host has none."""
    network = {"pods": [{"cidr": "10.245.0.0/16"}]}
    file = {"name": "v4", "network": network, "hosts": [{"name": "node-1"}], "cni": {"kind": "calico"}}
    found = state(retest(0), retest(1, result=RetestResult.FAILED, versions={"kubernetes": "1.37.0", "calico": "3.31.0"}, file=file))
    assert found.versions == (
        Change("kubernetes", "1.36.3", "1.37.0"),
        Change("flannel", "0.27.4", "none"),
        Change("calico", "none", "3.31.0"),
    )
    assert found.file == (
        Change("network.pods[0].cidr", "10.244.0.0/16", "10.245.0.0/16"),
        Change("hosts[1]", '{"name": "node-2"}', "none"),
        Change("cni", "none", '{"kind": "calico"}'),
    )


def test_a_row_without_versions_and_file_says_nothing_about_changes() -> None:
    """The night after a failure is skipped: the changes are those of the night that failed."""
    failed = retest(1, result=RetestResult.FAILED, versions={"kubernetes": "1.37.0", "flannel": "0.27.4"})
    skipped = retest(2, result=RetestResult.SKIPPED, versions={}, file={})
    assert state(retest(0), failed, skipped).changes == ["version of kubernetes: 1.36.3 -> 1.37.0"]
    assert state(retest(0), skipped).changes == []


@pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), (None, ""), ([], {}), ("1", 1)])
def test_values_of_two_types_differ(old: Any, new: Any) -> None:
    """Python compares some of them as equal."""
    assert len(state(retest(0, file={"x": old}), retest(1, result=RetestResult.FAILED, file={"x": new})).file) == 1


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is slow, not wrong
@given(st.dictionaries(st.text(), JSON, min_size=1, max_size=4))
def test_a_file_that_did_not_change_has_no_changes(file: dict[str, Any]) -> None:
    """Whatever is in it."""
    file = json.loads(json.dumps(file).replace("NaN", "0"))
    assert state(retest(0, file=file), retest(1, result=RetestResult.FAILED, file=file)).changes == []


def test_many_changes_are_counted() -> None:
    """The first ones, the number of the others, and no long values."""
    old, new = ({f"field-{number}": f"{letter}" * 500 for number in range(MOST_CHANGES + 5)} for letter in "ab")
    changes = state(retest(0, file=old), retest(1, result=RetestResult.FAILED, file=new)).changes
    assert (len(changes), changes[-1]) == (MOST_CHANGES + 1, "and 5 more")
    assert max(map(len, changes)) < 200
