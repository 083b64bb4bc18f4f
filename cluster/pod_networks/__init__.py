"""The pod networks, one file per kind."""
