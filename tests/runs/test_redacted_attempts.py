"""An exception leaves an attempt without secrets, with its causes and contexts, and so does its record."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml

from cluster.vocabulary.errors import ClusterError, EnvironmentFault
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.redacted_errors import RedactedError
from kube.kubeconfig import kubeconfig_document, kubeconfig_secrets
from runs import attempts
from runs.context import RunContext
from tests.cluster.vocabulary.test_redacted_errors import SECRET, everything

RUN = RunContext(cluster="demo", id="run", audit="none", bundle="none")


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[StepRecord]:
    """The records, instead of a server and a store."""
    written: list[StepRecord] = []

    def write(_run: RunContext, record: StepRecord) -> None:
        written.append(record)

    monkeypatch.setattr(attempts, "write_record", write)
    monkeypatch.setattr(attempts, "report_progress", lambda *_, **__: None)
    return written


def failure_of(fail: Callable[[], object]) -> BaseException:
    """The exception that leaves an attempt which knows the secret."""
    try:
        with attempts.record_attempt("step", "host", RUN) as attempt:
            attempt.secrets.add(SECRET)
            fail()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_library_s_exception_that_quotes_a_secret_is_replaced(records: list[StepRecord]) -> None:
    """PyYAML writes its text from the document when it is asked for it."""
    error = failure_of(lambda: yaml.safe_load(f"a: b\n  client-key-data: {SECRET}: x"))
    assert SECRET not in everything(error)
    assert SECRET not in records[0].model_dump_json()
    assert records[0].error
    assert "mapping values are not allowed" in records[0].error


def test_a_replaced_exception_has_no_context_with_the_secret(records: list[StepRecord]) -> None:
    """An OSError keeps its text in attributes of C, and would be the context of the exception that stands for it."""

    def fail() -> None:
        raise OSError(2, f"with {SECRET}")

    error = failure_of(fail)
    assert isinstance(error, RedactedError)
    assert str(error) == "FileNotFoundError: [Errno 2] with ***"
    assert SECRET not in everything(error)
    assert records[0].outcome == "failed"


def test_the_cause_of_an_own_error_is_redacted(records: list[StepRecord]) -> None:
    """Prefect logs the whole chain."""

    def fail() -> None:
        try:
            raise ValueError(f"with {SECRET}")
        except ValueError as error:
            raise ClusterError("failed") from error

    error = failure_of(fail)
    assert isinstance(error, ClusterError)
    assert str(error.__cause__) == "with ***"
    assert SECRET not in everything(error)
    assert records[0].error == "failed"


def test_a_damaged_kubeconfig_is_not_quoted() -> None:
    """PyYAML quotes the line of the fault, which is that of a key."""
    with pytest.raises(EnvironmentFault, match="empty or not a YAML mapping") as caught:
        kubeconfig_document(f"users:\n- user:\n    client-key-data: {SECRET}: x\n")
    assert SECRET not in everything(caught.value)


@pytest.mark.parametrize(
    ("users", "secrets"),
    [
        ([{"user": {"client-key-data": "a2V5", "client-certificate-data": "Y2VydA=="}}], {"a2V5"}),
        ([{"user": {"token": "t", "password": 1}}, {"user": None}, "x", {}], {"t", "1"}),
        (None, set()),
        ("text", set()),
    ],
)
def test_the_secrets_of_a_kubeconfig_are_its_keys(users: object, secrets: set[str]) -> None:
    """Of a damaged one too: the error of its reader comes later."""
    assert kubeconfig_secrets({"users": users}) == secrets
