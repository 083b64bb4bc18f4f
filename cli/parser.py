"""The parser of the command line. It reports every fault at once; argparse's own ends at the first one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NoReturn

from cli.exit_codes import USAGE
from cluster.vocabulary.control_characters import printable
from cluster.vocabulary.nearest import nearest_name

_LONG = 64  # of a word that is compared with the options


class _Ended(Exception):
    """argparse cannot read on, or something that is required is missing."""


class Parser(argparse.ArgumentParser):
    """Collects wrong values, missing values and options that exclude each other while argparse reads on with the default of the option."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._faults: list[str] = []
        self._given: set[argparse.Action] = set()
        self._without_value: set[argparse.Action] = set()
        self._parses = False

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:  # type: ignore[override]
        """As argparse does it, but nothing stays unknown: it is a fault of the parser of the subcommand, which knows its options."""
        words = list(sys.argv[1:] if args is None else args)
        try:
            found, unknown = self._attempt(words, namespace)
            ended = []
        except _Ended as end:
            ended, unknown = [str(end)], self._unknown(words)
        faults = [*self._faults, *ended, *map(self._unknown_word, unknown)]
        if faults:
            self._exit_with(faults, as_json=_wants_json(words) and "--output" in self._option_string_actions)
        return found, []

    def error(self, message: str) -> NoReturn:
        """Exit with code 2 and this fault."""
        if self._parses:
            raise _Ended(message)
        self._exit_with([message], as_json=False)

    def _attempt(self, words: list[str], namespace: Any = None) -> tuple[Any, list[str]]:
        self._faults.clear()
        self._given.clear()
        self._without_value.clear()
        self._parses = True
        try:
            return super().parse_known_args(words, namespace)
        finally:
            self._parses = False

    def _unknown(self, words: list[str]) -> list[str]:
        """The words that belong to no option, when something required is missing: argparse does not say both."""
        holders: list[Any] = [*self._actions, *self._mutually_exclusive_groups]
        required = [holder for holder in holders if holder.required]
        for holder in required:
            holder.required = False
        try:
            return self._attempt(words)[1]
        except _Ended:
            return []
        finally:
            for holder in required:
                holder.required = True

    def _unknown_word(self, word: str) -> str:
        options = [name for name in self._option_string_actions if name.startswith("--")]
        near = nearest_name(word.partition("=")[0], options) if word.startswith("-") and len(word) < _LONG else None
        return f"unrecognized argument {word!r}" + (f"; did you mean {near}?" if near else "")

    def _exit_with(self, faults: Sequence[str], *, as_json: bool) -> NoReturn:
        lines = [printable(fault) for fault in faults]
        if as_json:
            from cli.json_output import print_error

            print_error("\n".join(lines))
        self.print_usage(sys.stderr)
        self.exit(USAGE, "".join(f"{self.prog}: error: {line}\n" for line in lines))

    def _match_argument(self, action: argparse.Action, arg_strings_pattern: str) -> int:
        try:
            return super()._match_argument(action, arg_strings_pattern)
        except argparse.ArgumentError as fault:
            self._faults.append(str(fault))
            self._without_value.add(action)
            return 0

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """The value; the default of the option, which argparse does not compare with other options, when there is a fault."""
        if action in self._without_value:
            return action.default
        try:
            value = super()._get_values(action, arg_strings)
        except argparse.ArgumentError as fault:
            if isinstance(action, argparse._SubParsersAction):
                raise
            self._faults.append(str(fault))
            return action.default
        if value is not action.default:
            excluded = list(self._excluded_by(action))
            self._given.add(action)
            if excluded:
                self._faults += [str(argparse.ArgumentError(action, f"not allowed with argument {name}")) for name in excluded]
                return action.default
        return value

    def _excluded_by(self, action: argparse.Action) -> Iterator[str]:
        """The options before this one that it cannot be given with."""
        for group in self._mutually_exclusive_groups:
            if action in group._group_actions:
                for other in group._group_actions:
                    if other is not action and other in self._given:
                        yield "/".join(other.option_strings) or str(other.metavar or other.dest)


def _wants_json(words: Sequence[str]) -> bool:
    """Whether the words, which have faults, ask for JSON."""
    return "--output=json" in words or ("--output", "json") in pairwise(words)
