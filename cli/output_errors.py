"""The errors that a full or broken file gives when it is the output of a command."""

import errno

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def is_of_the_output(error: Exception) -> bool:
    """Whether a write to the output failed: its reader has exited, or there is no space. Errors of other files have a name of a file."""
    return isinstance(error, BrokenPipeError) or (isinstance(error, OSError) and error.errno in NO_SPACE and error.filename is None)
