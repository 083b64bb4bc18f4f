"""Documents as users of TKEStack have them: the four of its IPv6 proposal, with a login in place of the crosses, and one with everything."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

from importers.choices import Choices
from importers.imported import Imported
from importers.sources import Source
from importers.tkestack.convert import import_tkestack
from importers.tkestack.documents import API

Document = dict[str, Any]
PASSWORD = "correct horse battery staple"
MASTER = {"ipv4": "172.22.0.67", "ipv6": "240d:c000:1000:3400:0:91a2:3ff3:4b3e"}
WORKER = {"ipv4": "172.22.0.102", "ipv6": "240d:c000:1000:3400:0:91a2:3ff4:3a46"}
TRUSTING = Choices(trust_on_first_use=True)


def encoded(text: str) -> str:
    """As Go encodes bytes in JSON."""
    return base64.b64encode(text.encode()).decode()


def login(address: str, **more: Any) -> Document:
    """A machine that root logs in to with a password."""
    return {"ip": address, "port": 22, "username": "root", "password": encoded(PASSWORD), **more}


def dual_stack_cluster(**machine: Any) -> Document:
    """The proposal's Cluster for dual-stack; `machine` changes its one machine."""
    return {
        "apiVersion": API,
        "kind": "Cluster",
        "spec": {
            "displayName": "ipv6-ds",
            "clusterCIDR": "200.200.0.0/16,fd00:10:16::/64",
            "serviceCIDR": "10.200.0.0/16,fd00:10:96::/112",
            "tenantID": "default",
            "type": "Baremetal",
            "version": "1.18.3",
            "features": {"ipvs": False, "ipv6DualStack": True, "skipConditions": ["EnsureGalaxy"]},
            "machines": [{**login(MASTER["ipv4"]), **machine}],
        },
    }


def ipv6_cluster(**machine: Any) -> Document:
    """The proposal's Cluster for IPv6 alone."""
    features = {"ipvs": False, "enableMetricsServer": False, "ipv6DualStack": False, "skipConditions": ["EnsureGalaxy"]}
    return {
        "apiVersion": API,
        "kind": "Cluster",
        "spec": {
            "hostnameAsNodename": True,
            "displayName": "ipv6-sig",
            "clusterCIDR": "fd00:10:16::/64",
            "serviceCIDR": "fd00:10:96::/112",
            "tenantID": "default",
            "type": "Baremetal",
            "version": "1.18.3",
            "features": features,
            "kubeletExtraArgs": {"node-ip": machine.get("ip", MASTER["ipv6"])},
            "machines": [{**login(MASTER["ipv6"]), **machine}],
        },
    }


def worker(address: str, cluster: str, **more: Any) -> Document:
    """The proposal's Machine."""
    spec = {"finalizers": ["machine"], "tenantID": "default", "clusterName": cluster, "type": "Baremetal", **login(address), **more}
    return {"kind": "Machine", "apiVersion": API, "metadata": {"name": "mc-9r2dkcqj", "generateName": "mc-"}, "spec": spec}


CASES = {
    "dual-stack": (dual_stack_cluster(), worker(WORKER["ipv4"], "cls-7q46p7mt")),
    "ipv6": (ipv6_cluster(), worker(WORKER["ipv6"], "cls-2xcfb5wp")),
}


def imported(*documents: Document, choices: Choices = TRUSTING, cni: str = "calico") -> Imported:
    """What comes of documents, each in a file of its own: a.json, b.json ..."""
    return import_tkestack(
        [Source(f"{chr(97 + index)}.json", json.dumps(document, indent=2)) for index, document in enumerate(documents)],
        replace(choices, pod_network=cni),
    )


def changed(document: Document, **spec: Any) -> Document:
    """A copy with fields of its spec set; None takes one out."""
    merged = {**document["spec"], **spec}
    return {**document, "spec": {name: value for name, value in merged.items() if value is not None}}


def told(result: Imported) -> dict[str, str]:
    """What was said of each field of the documents, or of ours where it was added."""
    return {change.path or change.to: f"{change.outcome}: {change.to}: {change.why}" for change in result.changes}


def faults(result: Imported) -> dict[str, str]:
    """Path and code of each problem."""
    return {problem.path: problem.code for problem in result.problems if problem.severity == "error"}
