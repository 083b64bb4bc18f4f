"""What every flow run needs: context, SSH sessions, the cluster's slot, attempts and records, progress, artifacts, the executor."""
