"""Run `sixstack`, and fail when it has imported Prefect: run_without_prefect.py ARGUMENT..."""

import sys

from cli.main import main

if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.exit("Prefect was imported" if "prefect" in sys.modules else code)
