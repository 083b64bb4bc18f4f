"""The errors that a full or broken file gives when it is the output of a command."""

import errno

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
OF_THE_OUTPUT = (errno.EPIPE, *NO_SPACE)
