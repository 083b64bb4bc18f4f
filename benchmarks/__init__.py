"""Benchmarks on the lab: the create flow against a hand-tuned shell script that does the same work."""
