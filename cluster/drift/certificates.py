"""Certificates that expire soon, have expired or do not have the names of the file. renew-certificates decides with the same functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cluster.drift.difference import COMMANDS, Difference, Repair
from cluster.facts.certificates import HostCertificates
from cluster.kubeadm.documents import api_server_names
from cluster.plan.expiry import API_SERVER, BY_RENEWAL, CertificateCheck
from cluster.vocabulary.resolved_spec import ResolvedSpec


def certificate_differences(spec: ResolvedSpec, check: CertificateCheck, found: Mapping[str, HostCertificates]) -> Iterator[Difference]:
    """A difference for each certificate that is not fresh, and for the names of each API server's certificate."""
    for row in check.due:
        path = f"hosts/{row.host}/certificates{row.path}"
        until = f", valid until {row.certificate.valid_until:%Y-%m-%d %H:%M}" if row.certificate else f" {row.fault}".rstrip()
        repair = Repair.RENEW if row.renewed_by == BY_RENEWAL else Repair.OWNER
        expected = f"valid for {check.within.days} days"
        yield Difference(path, expected, f"{row.validity}{until}", row.host, repair, COMMANDS.get(repair, row.renewed_by))
    for host in spec.control_planes:
        file = found[host.name].file(API_SERVER) if host.name in found and found[host.name].owner == spec.name else None
        if file is None or file.certificate is None:
            continue
        wanted, current = api_server_names(spec, host), file.certificate.names
        lacking, surplus = (
            ", ".join(name for name in names if name not in other) for names, other in ((wanted, current), (current, wanted))
        )
        if lacking or surplus:
            path = f"hosts/{host.name}/certificates{API_SERVER}/names"
            actual = "; ".join(filter(None, [f"lacks {lacking}" if lacking else "", f"also has {surplus}" if surplus else ""]))
            yield Difference(path, "the names of the file", actual, host.name, Repair.RENEW, COMMANDS[Repair.RENEW])
