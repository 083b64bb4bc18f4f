"""What the forms of the Prefect UI ask for. The flows also take a whole cluster file as a mapping, as the `sixstack` command sends it.

The form of the whole file is 6,400 pixels high, and neither UI can fold a part of it. This form has the fields that nearly every cluster needs, under
the same names and in the same places, so what it makes is a cluster file. The text field takes every other one.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from cluster.vocabulary.families import StackMode
from cluster.vocabulary.releases import DEFAULT_RELEASE
from cluster.vocabulary.spec import Role

NameOrText = Annotated[
    str,
    Field(title="Name or YAML text", examples=["demo"]),
]
FileText = Annotated[str, Field(title="YAML text")]


class _Form(BaseModel):
    # as in cluster/vocabulary/spec.py: no flow builds the validator
    model_config = ConfigDict(extra="forbid", defer_build=True)


def _required(*names: str) -> JsonDict:
    """Marks fields as required, with a proposal or not: a cluster file must have them, and a form can leave a field out."""
    return {"required": list(names)}


class LoginForm(_Form):
    """SSH connection to one machine."""

    address: str = Field(description="IP address (IPv6 without brackets) or DNS name of sshd.")
    host_key: str = Field(
        description="Public host key, `ssh-ed25519 AAAA...` (on the machine: `cat /etc/ssh/ssh_host_ed25519_key.pub`); or `trust-on-first-use`: "
        "the key of the first login is recorded, and every other key is refused from then on."
    )
    user: str = Field("root", description="User name. A user other than root needs sudo.")
    credential: str = Field("default", description="Name of an `SSH credential` block.")


class HostForm(_Form):
    """One machine of the cluster."""

    name: str = Field(description="Host name and node name: lower-case letters, digits and inner hyphens.")
    role: Role = Field(description="control-plane or worker. A cluster has one control plane.")
    ssh: LoginForm = Field(title="SSH", description="SSH connection to the machine.")


class PodRangeForm(_Form):
    """A pod range."""

    cidr: str = Field(title="CIDR", description="Pod CIDR.")


class NetworkForm(_Form):
    """Pod and service ranges."""

    model_config = ConfigDict(json_schema_extra=_required("pods", "services"))

    pods: tuple[PodRangeForm, ...] = Field(
        (PodRangeForm(cidr="10.244.0.0/16"), PodRangeForm(cidr="fd44::/56")),
        description="Pod ranges, one for each family of the stack mode: remove that of a family which it does not have. No machine may use them. "
        "Better than fd44: 40 random bits after fd (RFC 4193).",
    )
    services: tuple[str, ...] = Field(
        ("10.96.0.0/16", "fd44:0:0:ffff::/112"),
        description="Service ranges, one for each family of the stack mode: remove that of a family which it does not have.",
    )


class ClusterForm(_Form):
    """The fields that nearly every cluster needs."""

    model_config = ConfigDict(title="Form", json_schema_extra=_required("name", "stack", "hosts", "network"))

    name: str = Field(description="Name of the cluster: lower-case letters, digits and inner hyphens.")
    kubernetes_version: str = Field(DEFAULT_RELEASE.kubernetes, description="Kubernetes version. The bundle must have the same version.")
    stack: StackMode = Field(StackMode.DUAL_STACK, title="Stack mode", description="ipv4, dual-stack or ipv6. It cannot be changed later.")
    hosts: tuple[HostForm, ...] = Field(min_length=1, description="The machines: one control plane, and any number of workers.")
    network: NetworkForm = Field(title="Network", description="Pod and service ranges. They cannot be changed later.")
    bundle: str = Field("default", description="Name of an `Artifact bundle` block.")
