"""Read the parameters of check-certificates and renew-certificates, which are untrusted input."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from cluster.plan.renew import RenewalSettings
from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.quoting import quoted

MOST_DAYS = 36_500  # an authority of kubeadm is valid for 3650


class NothingChecked(SpecError):
    """The parameters are invalid."""

    headline = "no certificate was checked or renewed"


def read_renewal_settings(within_days: Any, **switches: Any) -> RenewalSettings:
    """The settings; NothingChecked lists every fault. `switches` must be true or false; `everything` is one of them."""
    if problems := tuple(_problems(within_days, switches)):
        raise NothingChecked(problems)
    return RenewalSettings(timedelta(days=within_days), switches.get("everything", False))


def _problems(within_days: Any, switches: dict[str, Any]) -> Iterator[Problem]:
    if isinstance(within_days, bool) or not isinstance(within_days, int) or not 0 <= within_days <= MOST_DAYS:
        yield Problem(
            "wrong-type", "within_days", f"expected a number of days, got {quoted(within_days)}", "write a whole number such as 30"
        )
    for name, value in switches.items():
        if not isinstance(value, bool):
            yield Problem("wrong-type", name, f"expected true or false, got {quoted(value)}", "write true or false, without quotes")
