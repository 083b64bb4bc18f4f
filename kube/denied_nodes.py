"""Nodes that the API server does not admit: a machine that was removed while it did not answer, and that may return.

Its kubelet has a certificate that is valid for a year, and registers its Node again when the machine boots. A ValidatingAdmissionPolicy
(https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/) denies this, one for each node. The next join of the host removes it.
"""

from __future__ import annotations

import json

from kube.apply import apply
from kube.client import Document, KubeApi, segment

DENIED = "node.sixstack.io/denied"  # label of both objects; its value is the name of the node

_GROUP = "/apis/admissionregistration.k8s.io/v1"
_POLICIES = f"{_GROUP}/validatingadmissionpolicies"
_BINDINGS = f"{_GROUP}/validatingadmissionpolicybindings"


def deny_node(api: KubeApi, node: str) -> tuple[str, ...]:
    """Deny that a Node with this name, or with the certificate of this node, is created. Returns a phrase for each new object."""
    return apply(api, _documents(node))


def admit_node(api: KubeApi, node: str) -> bool:
    """Remove the denial; False when there is none. The binding goes first: a binding without its policy denies everything."""
    removed = [api.delete(f"{path}/{segment(_name(node))}") for path in (_BINDINGS, _POLICIES)]
    return any(removed)


def is_denied(api: KubeApi, node: str) -> bool:
    """Whether the node is denied."""
    return api.find(f"{_POLICIES}/{segment(_name(node))}") is not None


def denied_nodes(api: KubeApi) -> frozenset[str]:
    """The names of the nodes that are denied, in one request."""
    policies = api.get(_POLICIES, labelSelector=DENIED)["items"]
    return frozenset(policy["metadata"]["labels"][DENIED] for policy in policies)


def _name(node: str) -> str:
    return f"sixstack-removed-{node}"


def _documents(node: str) -> list[Document]:
    version = "admissionregistration.k8s.io/v1"
    metadata = {"name": _name(node), "labels": {DENIED: node}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nodes"]}
    # a JSON string is a CEL string; node names have lower-case letters, digits, dots and hyphens
    name, user = json.dumps(node), json.dumps(f"system:node:{node}")
    validation = {
        "expression": f"object.metadata.name != {name} && request.userInfo.username != {user}",
        "message": f"node {node} was removed while its machine did not answer. `sixstack create` with this host admits it again.",
    }
    return [
        {
            "apiVersion": version,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": metadata,
            "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]}, "validations": [validation]},
        },
        {
            "apiVersion": version,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": metadata,
            "spec": {"policyName": _name(node), "validationActions": ["Deny"]},
        },
    ]
