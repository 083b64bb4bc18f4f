"""`sixstack completion SHELL`: a script for bash, zsh or fish that completes subcommands, options, and names of saved clusters."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator, Sequence

from cli.exit_codes import SUCCESS

# CLUSTER is a name or a file: the shell completes the file
_BASH = """\
_sixstack() {
    local word="${COMP_WORDS[COMP_CWORD]}"
    COMPREPLY=()
    while IFS= read -r found; do COMPREPLY+=("$found"); done < <(sixstack completion --words "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    [[ $word == -* || $COMP_CWORD -eq 1 ]] || while IFS= read -r found; do COMPREPLY+=("$found"); done < <(compgen -f -- "$word")
}
complete -o filenames -F _sixstack sixstack
"""
_ZSH = """\
#compdef sixstack
_sixstack() {
    local -a found
    found=("${(@f)$(sixstack completion --words "${(@)words[2,$CURRENT]}" 2>/dev/null)}")
    compadd -Q -- $found
    [[ $PREFIX == -* || $CURRENT -eq 2 ]] || _files
}
compdef _sixstack sixstack
"""
_FISH = """\
function __sixstack_words
    sixstack completion --words (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null
end
complete -c sixstack -a '(__sixstack_words)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
_EXAMPLES = """\
examples:
  source <(sixstack completion bash)                                        # in ~/.bashrc
  source <(sixstack completion zsh)                                         # in ~/.zshrc, after compinit
  sixstack completion fish > ~/.config/fish/completions/sixstack.fish
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("shell", nargs="?", choices=SCRIPTS, metavar="SHELL", help=f"one of {', '.join(SCRIPTS)}")
    group.add_argument("--words", nargs=argparse.REMAINDER, help="print what can follow these words; the scripts use it")


def run(options: argparse.Namespace) -> int:
    """Print a script, or words."""
    if options.words is None:
        print(SCRIPTS[options.shell], end="")
        return SUCCESS
    for word in words_after(options.words):
        print(word)
    return SUCCESS


def words_after(typed: Sequence[str]) -> list[str]:
    """The words that can take the place of the last one, which may be empty or a beginning."""
    from cli.main import COMMANDS

    *before, last = typed or [""]
    if not before:
        return [name for name in (*COMMANDS, "--help", "--version") if name.startswith(last)]
    if before[0] not in COMMANDS:
        return []
    parser = _parser_of(before[0])
    for word in before[1:]:
        parser = _actions_of(parser).get(word, parser)
    if last.startswith("-"):
        return [option for action in parser._actions for option in action.option_strings if option.startswith(last)]
    found = [*_choices(parser, before[-1])]
    if not found and any(action.metavar == "CLUSTER" for action in parser._actions):
        found = _saved_clusters()
    return [word for word in found if word.startswith(last)]


def _parser_of(command: str) -> argparse.ArgumentParser:
    from cli.main import module_of

    parser = argparse.ArgumentParser(prog=f"sixstack {command}")
    importlib.import_module(module_of(command)).configure(parser)
    return parser


def _actions_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The subcommands of a subcommand, such as those of `bundle`."""
    return {
        name: sub for action in parser._actions if isinstance(action, argparse._SubParsersAction) for name, sub in action.choices.items()
    }


def _choices(parser: argparse.ArgumentParser, before: str) -> Iterator[str]:
    """The choices of the option before, else those of the arguments."""
    for action in parser._actions:
        if action.choices is not None and (before in action.option_strings if before.startswith("-") else not action.option_strings):
            yield from map(str, action.choices)


def _saved_clusters() -> list[str]:
    """The names of the saved clusters and kubeconfigs; none when the server does not answer."""
    from blocks.prefect_api import prefect_api
    from cluster.vocabulary.errors import EnvironmentFault

    try:
        with prefect_api() as server:
            return sorted({name for slug in ("saved-cluster", "saved-kubeconfig") for name in server.block_names(slug)})
    except EnvironmentFault:
        return []
