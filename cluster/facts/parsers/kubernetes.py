"""State of Kubernetes on the host: part kubernetes."""

from __future__ import annotations

import hashlib
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from cluster.facts.host_facts import KubernetesState
from cluster.facts.parsers.sections import value, values
from cluster.vocabulary.families import Network

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def kubernetes(text: str) -> KubernetesState:
    """Part kubernetes. Part units says whether the kubelet runs."""
    files = set(values(text, "have"))
    arguments = dict(
        line.partition("=")[::2] for manifest in ("kube-apiserver", "kube-controller-manager") for line in values(text, manifest)
    )
    authority = _certificate(text)
    return KubernetesState(
        ca_hash=ca_hash(text),
        ca_valid_from=authority.not_valid_before_utc if authority is not None else None,
        ca_valid_until=authority.not_valid_after_utc if authority is not None else None,
        kubelet_config="kubelet.conf" in files,
        admin_config="admin.conf" in files,
        api_manifest="kube-apiserver.yaml" in files,
        etcd_data="etcd-data" in files,
        private_keys="private-keys" in files,
        service_ranges=_networks(arguments.get("service-cluster-ip-range", "")),
        pod_ranges=_networks(arguments.get("cluster-cidr", "")),
        node_ips=tuple(ip_address(address) for address in (value(text, "node-ip") or "").split(",") if address),
        node_name=value(text, "node-name"),
        dns_domain=value(text, "domain"),
        endpoint=value(text, "endpoint"),
        api_port=int(arguments["secure-port"]) if "secure-port" in arguments else None,
        static_images=dict(line.partition(" ")[::2] for line in values(text, "image")),
        replaced=tuple(values(text, "replaced")),
    )


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(cidr) for cidr in text.split(",") if cidr)


def ca_hash(text: str) -> str | None:
    """sha256:HEX of the public key (SPKI) of the first certificate in PEM text, in the format of `kubeadm join --discovery-token-ca-cert-hash`.

    ValueError when the certificate cannot be read.
    """
    certificate = _certificate(text)
    if certificate is None:
        return None
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception as error:  # such as UnsupportedAlgorithm: see _certificate
        raise ValueError(f"the key of the certificate cannot be read: {error}") from None
    return "sha256:" + hashlib.sha256(key).hexdigest()


def _certificate(text: str) -> Certificate | None:
    """The first certificate in PEM text. ValueError when it cannot be read."""
    # no regular expression: from each first line without a last line, it would read the whole text
    begin = text.find(_BEGIN)
    end = text.find(_END, begin) if begin >= 0 else -1
    if end < 0:
        return None
    # imported here to keep `sixstack check` fast: only hosts of a cluster have a certificate
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(text[begin : end + len(_END)].encode())
    except Exception as error:  # the exceptions of cryptography for certificates that are wrong have no common base
        raise ValueError(f"the certificate cannot be read: {error}") from None
