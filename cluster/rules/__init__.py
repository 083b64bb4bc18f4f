"""The rules that a cluster must satisfy before any host is changed. Each rule is one small function; each file has one subject.

`offline` runs the rules that need only the cluster file. on_facts/ has the rules that need facts from hosts.
"""
