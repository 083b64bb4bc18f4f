"""The network check: expectations, results, diagnosis and report."""
