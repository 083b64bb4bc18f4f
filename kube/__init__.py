"""Access to the Kubernetes API through an injected `dial(host, port)`: apply documents, wait, label nodes, check the network."""
