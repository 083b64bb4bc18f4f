"""What blocks.prefect_api reads of the access to a server, without Prefect and from it; folders and variables come as JSON on standard input."""

import json
import os
import sys
from collections.abc import Callable

from blocks import prefect_api


def fields(access: prefect_api.ServerAccess | None) -> list[object] | None:
    """As JSON has them."""
    return None if access is None else [access.url, access.ui, dict(access.headers), access.verify]


def from_prefect() -> list[object] | None:
    """Prefect keeps the settings that it read first: it reads them again."""
    from prefect import context

    with context.root_settings_context():
        return fields(prefect_api._access_from_prefect())


def main() -> None:
    """The answers for each place: Prefect is imported by the last question."""
    surroundings, places = dict(os.environ), json.load(sys.stdin)
    rows: list[dict[str, object]] = [{} for _ in places]
    questions: dict[str, Callable[[], object]] = {
        "has_no_settings": prefect_api._has_no_settings,
        "without_prefect": lambda: fields(prefect_api._access_without_prefect()),
        "imported": lambda: "prefect" in sys.modules,
        "from_prefect": from_prefect,
    }
    for name, answer in questions.items():
        for row, (folder, variables) in zip(rows, places, strict=True):
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(surroundings | variables)
            row[name] = answer()
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
