"""Print an SSH credential as Python shows it, and whether its password is the one of standard input: show_credential.py BLOCK."""

import sys

from blocks.ssh_credential import SSHCredential

if __name__ == "__main__":
    credential = SSHCredential.load(sys.argv[1]).credential()
    print(credential, credential.password == sys.stdin.read())
