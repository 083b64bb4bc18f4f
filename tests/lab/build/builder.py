"""A builder that holds the lock of a store: builder.py FOLDER [PART].

Prints a line when it has the lock. With PART, it writes half of that part and works on the rest for a minute; else it ends with its standard input.
"""

import sys
import time
from pathlib import Path

from lab.build.store import Store


def write_half(target: Path) -> None:
    """Write half of a part and keep working."""
    target.write_text("half")
    print("half", flush=True)
    time.sleep(60)


if __name__ == "__main__":
    folder, *parts = sys.argv[1:]
    store = Store(Path(folder))
    with store.locked(print):
        if parts:
            store.part(parts[0], "key", write_half)
        else:
            print("mine", flush=True)
            sys.stdin.read()
