"""Reading a cluster file: text or data in, a spec and every problem out."""
