"""Operating systems of hosts, one file per family. They provide the commands in hints.

protocol.py is the interface, detection.py finds the operating system of a host. Only Debian 12 and 13 are tested (the lab hosts). sixstack
itself never runs a package manager.
"""
