"""The pod networks, one file per kind.

protocol.py says what a pod network plug-in tells the rest of the code. plugins.py lists them. recognition.py finds the plug-in of
a cluster that is there, also one that somebody else installed.
docs/how-to/add-a-pod-network.md says how to add one.
"""
