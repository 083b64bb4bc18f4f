"""Run `sixstack check FILE` and exit with the names of the packages that it imported and must not: check_imports.py FILE."""

import sys

from cli.main import main

FORBIDDEN = {"prefect", "paramiko", "kubernetes", "jinja2", "httpx", "asyncio"}

if __name__ == "__main__":
    main(["check", sys.argv[1]])
    sys.exit(",".join(FORBIDDEN & set(sys.modules)))
