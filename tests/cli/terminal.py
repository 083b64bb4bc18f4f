"""Runs a program on a terminal of its own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping


def printed_on_a_terminal(program: str, variables: Mapping[str, str]) -> str:
    """All that the Python program prints, without carriage returns at the ends of lines. The output must fit into the terminal's buffer, 4096 bytes."""
    main, of_process = pty.openpty()
    try:
        subprocess.run([sys.executable, "-c", program], env={**os.environ, **variables}, stdin=of_process, stdout=of_process, check=True)
    finally:
        os.close(of_process)
    # a read returns what has arrived, which may be a part; when nothing more can come, it is an error
    output = b""
    try:
        while part := os.read(main, 65536):
            output += part
    except OSError:
        pass
    finally:
        os.close(main)
    return output.decode().replace("\r\n", "\n")
