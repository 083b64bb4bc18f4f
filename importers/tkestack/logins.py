"""The passwords and keys of machines, which are base64 in TKEStack's documents."""

from __future__ import annotations

import base64
import binascii

from cluster.vocabulary.credentials import Credential
from importers.fields import Fields

_TO = "an SSH credential block"


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
