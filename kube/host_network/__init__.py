"""Deployments that move to their nodes' own network, and back: checked first, remembered on the Deployment itself, undone on failure."""

from __future__ import annotations

from kube.host_network.change import set_host_network, undo_host_network
from kube.host_network.check import look_at
from kube.host_network.names import DeploymentName, read_names

__all__ = ["DeploymentName", "look_at", "read_names", "set_host_network", "undo_host_network"]
