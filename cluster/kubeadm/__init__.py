"""What kubeadm needs: its documents for each stack mode, and the kernel settings, volumes and preflight checks of a host."""
