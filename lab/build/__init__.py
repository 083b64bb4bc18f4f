"""Builds an artifact bundle from Go modules and Debian packages, for machines without access to the published releases."""
