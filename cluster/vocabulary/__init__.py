"""The words of the domain: address families, the cluster file's models, problems, errors, records."""
