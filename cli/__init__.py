"""The `sixstack` command: one file per subcommand, which imports other packages only when it runs."""
