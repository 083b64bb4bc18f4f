"""Prefect blocks that an operator configures once: SSH credential, artifact bundle, audit store, saved kubeconfig."""
