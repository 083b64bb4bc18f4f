"""Drift: the differences between a cluster and its file, and who repairs each."""
