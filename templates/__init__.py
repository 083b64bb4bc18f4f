"""The one renderer of this room's Jinja2 files; every value a template names must be given."""

from __future__ import annotations

import json
import shlex
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment() -> Environment:
    # imported here: `sixstack check` must not pay for Jinja2
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    environment.filters["quote"] = lambda value: shlex.quote(str(value))
    # JSON is YAML, so a nested value is written without an indentation rule
    environment.filters["json"] = lambda value: json.dumps(value, sort_keys=True, default=str)
    return environment


def render(template: str, /, **values: Any) -> str:
    """The text of `template` (a path inside this room) with `values`; jinja2.UndefinedError names what is missing."""
    return _environment().get_template(template).render(**values)
