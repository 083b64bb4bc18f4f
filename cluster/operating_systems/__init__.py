"""Operating systems of hosts, one file per family: what a hint tells a person to type.

protocol.py says what a file holds, detection.py finds the one of a host. Tested are the lab's hosts, Debian 12. The other files only give hints:
sixstack itself runs no command of a package manager.
"""
