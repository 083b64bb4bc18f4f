"""Read the parameters of check-certificates and renew-certificates, which are untrusted input."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cluster.plan.renew import RenewalSettings
from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.parameters import MOST_DAYS, number_problems, switch_problems


class NothingChecked(SpecError):
    """The parameters are invalid."""

    headline = "no certificate was checked or renewed"


def read_renewal_settings(within_days: Any, **switches: Any) -> RenewalSettings:
    """The settings; NothingChecked lists every fault. `switches` must be true or false; `everything` is one of them."""
    if problems := (*number_problems("days", 0, MOST_DAYS, within_days=within_days), *switch_problems(**switches)):
        raise NothingChecked(problems)
    return RenewalSettings(timedelta(days=within_days), switches.get("everything", False))
