"""One public flow per file: inspect the hosts, plan, execute."""
