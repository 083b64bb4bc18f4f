"""Facts of one host: one script (templates/facts/), one round trip, parsed by the domain (cluster/facts_parser.py)."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import cache

from cluster.errors import HostError
from cluster.facts import HostFacts
from cluster.facts_parser import PARTS, parse
from cluster.spec import Host
from hosts.session import Session
from templates import render

LIMIT = timedelta(seconds=90)  # each command in it has 5 s; a healthy host needs less than one


@cache
def facts_script() -> str:
    """The script; the same for every host."""
    return render("facts/gather.sh.j2", parts=tuple(PARTS))


def gather(session: Session, host: Host) -> HostFacts:
    """Everything known of the host; changes nothing on it.

    HostError when it answers and makes no sense; what the session raises (HostUnreachable, StepTimedOut) passes through.
    """
    sent = time.time()
    output = session.run(facts_script(), limit=LIMIT)
    received = time.time()
    if output.exit_code != 0:
        said = (output.stderr or output.stdout).strip()[-500:]
        raise HostError(
            host.name, f"the facts script ended with exit code {output.exit_code}: {said}", "See that `sh` and coreutils work there"
        )
    return parse(output.stdout, host.name, sent=sent, received=received)
