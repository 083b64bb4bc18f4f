"""The edge to machines: SSH sessions, scripts, facts and files."""
