"""Benchmarks on the lab: the create flow compared with a hand-tuned shell script that does the same work."""
