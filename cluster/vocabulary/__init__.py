"""Types of the domain: address families, models of the cluster file, problems, errors, records."""
