"""Print the secrets of SSH credential blocks as JSON; reads a JSON list of block names from standard input."""

import json
import sys

from blocks.loading import load
from blocks.ssh_credential import SSHCredential

if __name__ == "__main__":
    print(json.dumps([load(SSHCredential, name).credential().secrets for name in json.load(sys.stdin)]))
