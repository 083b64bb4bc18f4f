"""One retryable, auditable step each, per host or per cluster."""
