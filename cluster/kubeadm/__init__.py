"""The kubeadm documents of each stack mode."""
