"""Access to machines: SSH sessions, scripts, facts, files and locks."""
