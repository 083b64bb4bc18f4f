"""The demo and the proposal's cases on lab hosts: a client of the product like any other."""
