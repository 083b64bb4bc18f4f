"""The Prefect server and the worker of an installation: their settings, processes and units, and `sixstack setup`."""
