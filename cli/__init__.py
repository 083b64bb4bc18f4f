"""The `sixstack` command: one file a subcommand, which imports its rooms only when it runs."""
