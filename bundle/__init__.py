"""The artifact bundle: what its manifest says, how it is verified, and how it is fetched from published releases."""
