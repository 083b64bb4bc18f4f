"""The artifact bundle: its manifest, its verification, and fetching it from published releases."""
