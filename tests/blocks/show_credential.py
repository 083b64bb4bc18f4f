"""Print an SSH credential as Python shows it, and whether its password is the one of standard input: show_credential.py BLOCK."""

import sys

from blocks.loading import load
from blocks.ssh_credential import SSHCredential

if __name__ == "__main__":
    credential = load(SSHCredential, sys.argv[1]).credential()
    print(credential, credential.password == sys.stdin.read())
