"""The pod networks, one file per kind.

protocol.py is the interface of a plug-in. plugins.py lists the plug-ins. recognition.py finds the pod network of an existing cluster, even if
sixstack did not install it.
docs/how-to/add-a-pod-network.md describes how to add a plug-in.
"""
