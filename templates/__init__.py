"""Renders the Jinja2 templates of this package. Every value that a template uses must be given."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


# what YAML does not take, or takes for a line break, in a quoted string
_ESCAPED = re.compile(r"[^\x00-\x7e\U00010000-\U0010ffff]")


def as_json(value: object) -> str:
    """`value` as JSON, which is YAML: a string stays a string (null, 1234 and 2026-11-25 too), and a nested value needs no indentation.

    json's own ASCII has two escapes for an emoji, which YAML reads as two characters that do not exist.
    """
    text = json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


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
    environment.filters["json"] = as_json
    return environment


def render(template: str, /, **values: Any) -> str:
    """Render `template` (a path in this package) with `values`. jinja2.UndefinedError names a missing value."""
    return _environment().get_template(template).render(**values)
