"""The certificate of a team's server and its authority, with the commands of docs/how-to/team.md."""

from __future__ import annotations

import subprocess
from pathlib import Path

AUTHORITY = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 3650 -subj /CN=prefect-ca "
    "-addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.pem"
)
CERTIFICATE = (
    "openssl req -x509 -CA ca.pem -CAkey ca.key -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 365 -subj /CN=prefect.example "
    "-addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:prefect.example -keyout key.pem -out fullchain.pem"
)


def issue(folder: Path, name: str) -> None:
    """Writes ca.pem, fullchain.pem and key.pem. `name`: that of the server in the certificate, such as IP:::1."""
    for command in (AUTHORITY, CERTIFICATE.replace("DNS:prefect.example", name)):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True, timeout=60)
