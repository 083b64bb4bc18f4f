"""An expected error in the log of a run: one line at ERROR, and no traceback. Prefect logs it again for the task, the subflow and the flow, each time
with a traceback, in which the list of problems is a `repr` with `\\n`. The list itself is a line of the step that failed, and the problems artifact."""

from __future__ import annotations

import logging
import re

from cluster.vocabulary.errors import Bug, SixstackError
from cluster.vocabulary.one_line import in_one_line

_LOGGERS = ("prefect.flow_runs", "prefect.task_runs")
_TASKS = _LOGGERS[1]
_END_OF_FLOW = "Encountered exception during execution"  # the process of the run then logs the same error as that of the engine
_LONGEST = 400  # letters
# Prefect's last line of a run is the repr of its state
_LATER_LINES = re.compile(r"""^(Finished in state \w+\((['"]).*?):?\\n.*$""", re.DOTALL)


class _Shortened(logging.Filter):
    """An expected error that ends a flow is a line; that of a task is not the result of the run. The final state has the first line of its error."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, SixstackError) and not isinstance(error, Bug):
            ends_a_flow = record.name != _TASKS and str(record.msg).startswith(_END_OF_FLOW)
            record.msg, record.args = f"{type(error).__name__}: {in_one_line(str(error))[:_LONGEST]}", ()
            record.exc_info = record.exc_text = None
            return ends_a_flow
        if isinstance(record.args, tuple):
            record.args = tuple(in_one_line(str(each)) if isinstance(each, SixstackError) else each for each in record.args)
        if isinstance(record.msg, str) and record.msg.startswith("Finished in state "):
            record.msg = _LATER_LINES.sub(r"\1\2)", record.msg)
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return True


_SHORTENED = _Shortened()


def shorten_expected_errors() -> None:
    """From now on, in this process."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_SHORTENED)  # the same filter is added once
