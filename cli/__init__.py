"""The `sixstack` command: one file a subcommand, which imports other packages only when it runs."""
