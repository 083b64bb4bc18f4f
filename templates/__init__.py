"""Renders the Jinja2 templates of this package. Every value that a template uses must be given."""

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
    # imported here, so that `sixstack check` starts without Jinja2
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
    # JSON is YAML, so a nested value needs no indentation
    environment.filters["json"] = lambda value: json.dumps(value, sort_keys=True, default=str)
    return environment


def render(template: str, /, **values: Any) -> str:
    """Render `template` (a path in this package) with `values`. jinja2.UndefinedError names a missing value."""
    return _environment().get_template(template).render(**values)
