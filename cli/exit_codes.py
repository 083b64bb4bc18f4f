"""Exit codes of `sixstack`."""

SUCCESS = 0
PROBLEMS = 1  # problems found, or the run failed
USAGE = 2  # unreadable input or wrong usage
ENVIRONMENT = 3  # no server, no block, no tool; or a host that a report is about could not be inspected
DAMAGED = 4  # `sixstack audit --verify`: audit records are missing, changed or torn
