"""The services of the ordinary probe pods: one for each kind and ipFamilyPolicy, with the expected families."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from cluster.network.checks import Check, CheckKind, Layer
from cluster.vocabulary.families import Address, Family, family_name, family_names
from kube.client import Document

SERVES = "network-check.sixstack.io/serves"  # label of the pods behind the services

SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"


@dataclass(frozen=True, slots=True)
class ServiceKind:
    """A service to create."""

    name: str
    policy: str
    families: tuple[Family, ...] = ()  # requested; (): the API server chooses
    node_port: bool = False
    headless: bool = False
    affinity: bool = False

    def expected_families(self, families: tuple[Family, ...]) -> tuple[Family, ...]:
        """The families that the service must get in a cluster with `families`; (): the API server must refuse the service."""
        if self.policy == SINGLE:
            return self.families or families[:1]
        return () if self.policy == REQUIRE and len(families) < 2 else families

    def document(self, namespace: str, port: int) -> Document:
        """The document for the API server."""
        spec: Document = {
            "ipFamilyPolicy": self.policy,
            "selector": {SERVES: "yes"},
            # a headless service resolves to its pods, so its port is not translated
            "ports": [{"name": "http", "port": port if self.headless else 80, "targetPort": port}],
        }
        if self.families:
            spec["ipFamilies"] = [family_name(family) for family in self.families]
        if self.headless:
            spec["clusterIP"] = "None"
        if self.node_port:
            spec["type"] = "NodePort"
        if self.affinity:
            spec["sessionAffinity"] = "ClientIP"
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": self.name, "namespace": namespace}, "spec": spec}


@dataclass(frozen=True, slots=True)
class ProbeService:
    """A service that the API server created."""

    kind: ServiceKind
    families: tuple[Family, ...]
    addresses: tuple[Address, ...]  # () for a headless service
    node_port: int  # 0: none


# the only service of a quick check
MAIN = ServiceKind("prefer", PREFER, node_port=True)


def service_kinds(families: tuple[Family, ...], *, full: bool) -> tuple[ServiceKind, ...]:
    """The services of a check, MAIN first."""
    if not full:
        return (MAIN,)
    second = (ServiceKind("single-second", SINGLE, families[1:]),) if len(families) == 2 else ()
    return (
        MAIN,
        ServiceKind("single", SINGLE),
        *second,
        ServiceKind("require", REQUIRE, node_port=True),
        ServiceKind("affinity", PREFER, affinity=True),
        ServiceKind("headless-single", SINGLE, headless=True),
        ServiceKind("headless-prefer", PREFER, headless=True),
        ServiceKind("headless-require", REQUIRE, headless=True),
    )


def created_service(kind: ServiceKind, document: Document) -> ProbeService:
    """The service in the API server's answer, as plain types."""
    spec = document["spec"]
    return ProbeService(
        kind=kind,
        families=tuple(Family.IPV4 if name == "IPv4" else Family.IPV6 for name in spec.get("ipFamilies", [])),
        addresses=tuple(ip_address(text) for text in spec.get("clusterIPs", []) if text != "None"),
        node_port=spec["ports"][0].get("nodePort", 0) if kind.node_port else 0,
    )


def check_service(kind: ServiceKind, made: ProbeService | None, refused: str, families: tuple[Family, ...]) -> Check:
    """Check that the API server set the families of the policy, or refused the service if it must. `refused` is the reason of the refusal."""
    wanted = kind.expected_families(families)
    name = f"{'headless ' if kind.headless else ''}service with {kind.policy}"
    if kind.families:
        name += f" and {family_names(kind.families)}"
    if made is None:
        detail = "" if not wanted else f"the API server refused it: {refused}"
    elif not wanted:
        detail = f"got {family_names(made.families)}: a single-stack cluster must refuse this service"
    elif made.families != wanted:
        detail = f"got {' then '.join(map(family_name, made.families)) or 'no family'}, expected {' then '.join(map(family_name, wanted))}"
    else:
        detail = ""
    return Check(CheckKind.SERVICE_FAMILIES, None, name, "", Layer.SERVICE, not detail, detail)
