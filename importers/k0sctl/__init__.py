"""Files of k0sctl (Cluster of k0sctl.k0sproject.io/v1beta1)."""
