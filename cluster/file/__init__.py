"""Read a cluster file from text or data. The result is a spec and every problem."""
