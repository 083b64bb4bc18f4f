"""Prefect blocks: what an operator configures once (SSH credential, artifact bundle, audit store), and what sixstack saves of each cluster."""
