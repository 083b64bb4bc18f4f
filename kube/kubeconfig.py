"""The current context of a kubeconfig as plain values, which are never written to disk."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cluster.facts.parsers.kubernetes import ca_hash
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.yaml_loader import NotYAML, load_document

# kubeadm puts this name into the certificate of every API server
SERVER_NAME = "kubernetes"
_NOT_A_MAPPING = "the kubeconfig is empty or not a YAML mapping"


@dataclass(frozen=True, slots=True, repr=False)
class Kubeconfig:
    """The address of the API server and the credentials for it; the `repr` shows no secret."""

    host: str  # address (IPv6 without brackets) or DNS name
    port: int
    server_name: str  # name that the server's certificate must carry
    authority: str  # PEM of the cluster's CA
    certificate: str | None = None  # PEM of the client certificate
    key: str | None = None  # PEM of its key
    token: str | None = None

    def __repr__(self) -> str:
        return f"Kubeconfig(host={self.host!r}, port={self.port})"


def read_kubeconfig(source: str | Mapping[str, Any], *, any_name: bool = True) -> Kubeconfig:
    """Read the current context of a kubeconfig (YAML text or its document).

    With `any_name`, the certificate is verified for kubeadm's own name, because it need not contain the address; else for the host of the URL.

    Raises EnvironmentFault for a kubeconfig that refers to files or login programs, which this machine does not have.
    """
    document = kubeconfig_document(source) if isinstance(source, str) else source
    if not isinstance(document, Mapping):
        raise EnvironmentFault(_NOT_A_MAPPING)
    try:
        context = _named(document["contexts"], document["current-context"])["context"]
        cluster = _named(document["clusters"], context["cluster"])["cluster"]
        user = _named(document["users"], context["user"])["user"]
        server, authority = cluster["server"], _decoded(cluster["certificate-authority-data"])
    except (KeyError, TypeError) as error:
        raise EnvironmentFault(
            f"the kubeconfig lacks {error}: it needs a current context whose cluster has `server` and `certificate-authority-data`"
        ) from None
    try:
        url = urlsplit(server)
        host, port = url.hostname, url.port
    except (ValueError, AttributeError, TypeError):
        host = None
    if not host or url.scheme != "https":
        raise EnvironmentFault(f"the kubeconfig's server is {quoted(server)}: it must be an https URL")
    if not isinstance(user, Mapping) or not (("client-certificate-data" in user and "client-key-data" in user) or "token" in user):
        raise EnvironmentFault("the kubeconfig's user has neither `client-certificate-data` and `client-key-data` nor `token`: embed them")
    return Kubeconfig(
        host=host,
        port=port or 443,
        server_name=cluster.get("tls-server-name") or (SERVER_NAME if any_name else host),
        authority=authority,
        certificate=_decoded(user["client-certificate-data"]) if "client-certificate-data" in user else None,
        key=_decoded(user["client-key-data"]) if "client-key-data" in user else None,
        token=user.get("token"),
    )


def kubeconfig_document(text: str) -> dict[str, Any]:
    """The document of a kubeconfig; EnvironmentFault, without a quotation of the text and its keys, when it is damaged."""
    try:
        document = load_document(text)
    except NotYAML:
        document = None
    if not isinstance(document, dict):
        raise EnvironmentFault(_NOT_A_MAPPING)
    return document


def named_after(document: Mapping[str, Any], cluster: str) -> dict[str, Any]:
    """The current context alone, with context, cluster and user named after the cluster.

    kubeadm names every user `kubernetes-admin`: of two merged kubeconfigs, one would get the other one's key.
    """
    try:
        context = _named(document["contexts"], document["current-context"])["context"]
        entry = _named(document["clusters"], context["cluster"])["cluster"]
        user = _named(document["users"], context["user"])["user"]
    except (KeyError, TypeError) as error:
        raise EnvironmentFault(f"the kubeconfig lacks {error}: it needs a current context with a cluster and a user") from None
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": entry}],
        "users": [{"name": cluster, "user": user}],
        "contexts": [{"name": cluster, "context": {**context, "cluster": cluster, "user": cluster}}],
        "current-context": cluster,
    }


def authority_hash(document: Mapping[str, Any]) -> str:
    """sha256:HEX of the key of the cluster's certificate authority, which identifies the cluster; "" for another kind of authority."""
    return ca_hash(read_kubeconfig(document).authority) or ""


def kubeconfig_secrets(document: Mapping[str, Any]) -> set[str]:
    """Keys, tokens and passwords of a kubeconfig's users, damaged ones too. Certificates are public."""
    entries = document.get("users")
    users = [entry.get("user") for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    found = (user.get(name) for user in users if isinstance(user, Mapping) for name in ("client-key-data", "token", "password"))
    return {str(value) for value in found if value}


def _named(entries: list[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    found = next((entry for entry in entries if entry["name"] == name), None)
    if found is None:
        raise EnvironmentFault(f"the kubeconfig has no entry {name!r}, which its current context names")
    return found


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode("ascii")
    except (ValueError, TypeError):
        raise EnvironmentFault("a certificate or key in the kubeconfig is not base64 of PEM text") from None
