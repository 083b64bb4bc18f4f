"""What a cluster must meet before any host is changed: one small function per rule, by subject.

`offline` runs those that need the cluster file alone; on_facts/ holds those that need facts from hosts.
"""
