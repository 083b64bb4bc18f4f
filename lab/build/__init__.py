"""Builds an artifact bundle from Go modules and Debian packages, where no published release can be reached."""
