"""The network check: what is expected, what was tried, what it means."""
