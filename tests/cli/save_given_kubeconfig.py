"""Save a kubeconfig from standard input as the block of a cluster without an SSH endpoint: python -m tests.cli.save_given_kubeconfig CLUSTER."""

import sys

from pydantic import SecretStr

from blocks.saved_kubeconfig import SavedKubeconfig, block_name

if __name__ == "__main__":
    cluster = sys.argv[1]
    SavedKubeconfig(cluster=cluster, kubeconfig=SecretStr(sys.stdin.read())).save(block_name(cluster), overwrite=True)
