"""`python -m cli`: the `sixstack` command of this checkout."""

import sys

from cli.main import main

sys.exit(main())
