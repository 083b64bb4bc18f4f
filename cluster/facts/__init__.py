"""What is true of hosts and of the cluster's API at one moment."""
