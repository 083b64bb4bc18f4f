"""The logins of machines: one `SSH credential` block for each distinct login."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

from cluster.vocabulary.credentials import Credential
from tkestack.fields import Fields

_LONGEST_BLOCK_NAME = 63
_TO = "an SSH credential block"


@dataclass(frozen=True, slots=True)
class Login:
    """The content of a block and its user; `repr` shows no secret."""

    block: str
    user: str
    credential: Credential


@dataclass
class Logins:
    """Gives each distinct login a block name: CLUSTER-USER, with a number if a user has several logins."""

    cluster: str
    found: dict[tuple[str, Credential], Login] = field(default_factory=dict)

    def block(self, user: str, credential: Credential) -> str:
        """The name of the block of this login."""
        if (user, credential) not in self.found:
            bare = re.sub(r"[^a-z0-9]+", "-", user.lower()).strip("-") or "user"
            stem = f"{self.cluster}-{bare}"[: _LONGEST_BLOCK_NAME - 4].rstrip("-")
            used = {login.block for login in self.found.values()}
            names = (stem, *(f"{stem}-{number}" for number in range(2, len(used) + 3)))
            name = next(name for name in names if name not in used)
            self.found[user, credential] = Login(name, user, credential)
        return self.found[user, credential].block


def read_credential(fields: Fields) -> Credential | None:
    """The password, private key and passphrase of a machine or its proxy; None when it has neither password nor key."""
    password, key, passphrase = (_secret(fields, name) for name in ("password", "privateKey", "passPhrase"))
    if password and password.endswith("\n"):
        password = password.rstrip("\r\n")
        fields.report.changed(
            fields.at("password"),
            _TO,
            "the password ended with a line feed, as after `echo ... | base64`; it is taken over without the line feed",
        )
    elif password:
        fields.report.taken(fields.at("password"), _TO)
    if key and "PRIVATE KEY-----" not in key:
        hint = "Write the base64 of the private key file of ssh-keygen, the file without .pub."
        fields.report.fault("not-a-private-key", fields.at("privateKey"), "not the base64 of a private key", hint)
        key = None
    elif key:
        fields.report.taken(fields.at("privateKey"), _TO)
    if passphrase and key:
        fields.report.taken(fields.at("passPhrase"), _TO)
    elif passphrase:
        fields.report.not_taken(fields.at("passPhrase"), "there is no private key for this passphrase")
        passphrase = None
    if not (password or key):
        return None
    return Credential(password=password, private_key=key if key is None or key.endswith("\n") else key + "\n", passphrase=passphrase)


def _secret(fields: Fields, name: str) -> str | None:
    """The string in base64, as Go encodes bytes in JSON; an error never shows it."""
    found = fields.value(name)
    if found is None or found == "":
        return None
    hint = "Write the base64 on one line, as TKEStack expects it."
    if not isinstance(found, str):
        fields.report.fault("not-base64", fields.at(name), "not a string", f"{hint} Put it in quotes.")
        return None
    try:
        data = base64.b64decode(found.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        fields.report.fault("not-base64", fields.at(name), "not base64", hint)
        return None
    try:
        return data.decode() or None
    except UnicodeDecodeError:
        fields.report.fault("not-base64", fields.at(name), "the base64 of bytes that are not UTF-8", hint)
        return None
