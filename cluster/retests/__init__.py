"""Retests without I/O: the order of a run's clusters, their records, the history."""
