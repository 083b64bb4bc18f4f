"""Checks of the parameters of flows. They may have any type: Prefect passes on what a form, a schedule or a command gave."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.quoting import quoted

MOST_SECONDS = 604_800  # a week
MOST_WORKERS = 5000  # nodes of a cluster: https://kubernetes.io/docs/setup/best-practices/cluster-large/
MOST_DAYS = 36_500  # until a certificate expires; an authority of kubeadm is valid for 3650


class WrongParameters(SpecError):
    """Parameters that every flow or several flows have are invalid."""

    headline = "parameters of the run are invalid; nothing was changed"


def require(*problems: Problem) -> None:
    """WrongParameters with these problems, if there are any."""
    if problems:
        raise WrongParameters(problems)


def switch_problems(**switches: object) -> Iterator[Problem]:
    """Switches that are neither true nor false: the text `false` would be true."""
    for name, value in switches.items():
        if not isinstance(value, bool):
            yield Problem("wrong-type", name, f"expected true or false, got {quoted(value)}", "write true or false, without quotes")


def number_problems(what: str, least: int, most: int, **numbers: object) -> Iterator[Problem]:
    """Numbers of seconds, days (`what`) that are no whole number from `least` to `most`."""
    for name, value in numbers.items():
        if type(value) is not int:  # a truth value is an int for isinstance
            code = "wrong-type"
        elif not least <= value <= most:
            code = "out-of-range"
        else:
            continue
        yield Problem(code, name, f"expected a number of {what}, got {quoted(value)}", f"write a whole number from {least} to {most}")


def seconds_problems(least: int = 0, **numbers: object) -> Iterator[Problem]:
    """Times that are no whole number of seconds, or longer than a week."""
    yield from number_problems("seconds", least, MOST_SECONDS, **numbers)
