"""Facts of hosts and the state of the cluster API at one moment."""
