"""Moves Deployments to the host network, and back. The change is checked first, stores the previous state, and is undone on failure."""

from __future__ import annotations

from kube.host_network.change import set_host_network, undo_host_network
from kube.host_network.check import check_deployments
from kube.host_network.names import DeploymentName, read_names

__all__ = ["DeploymentName", "check_deployments", "read_names", "set_host_network", "undo_host_network"]
