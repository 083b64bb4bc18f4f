"""The edge to the Kubernetes API: apply documents, wait, label nodes, prove the network. Reaches it by a `dial` that is injected."""
