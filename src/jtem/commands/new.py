"""``jtem new``, ``jtem schema``, ``jtem completion``: plans begun, described, and completed by editors and shells."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from jtem.errors import DONE, InputError
from jtem.files import data_path, write_text
from jtem.plan import schema

KINDS = ("site", "region", "factorial", "calibration", "sensitivity")


def command_new(arguments: argparse.Namespace) -> int:
    """Write a commented plan to begin with."""
    path: Path = arguments.file or Path(f"{arguments.kind}.toml")
    if path.exists() and not arguments.force:
        raise InputError(f"{path}: exists already; give another name or overwrite it with --force")
    if not path.parent.is_dir():
        raise InputError(f"{path}: its folder does not exist; make it first")
    write_text(path, data_path("plans", f"{arguments.kind}.toml").read_text(encoding="utf-8"))
    command = {"calibration": "calibrate", "sensitivity": "sensitivity"}.get(arguments.kind, "run")
    print(f"wrote {path}; edit it, then: jtem check {path} and jtem {command} {path}")
    return DONE


def command_schema(arguments: argparse.Namespace) -> int:
    """The JSON schema of a plan file."""
    print(json.dumps(schema.schema(arguments.kind), indent=2, ensure_ascii=False))
    return DONE


def command_completion(arguments: argparse.Namespace) -> int:
    """The completion script of a shell, from the parser."""
    from jtem.commands.main import parser

    top = parser()
    print({"bash": bash, "zsh": zsh, "fish": fish}[arguments.shell](commands_of(top)))
    return DONE


def commands_of(top: argparse.ArgumentParser) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Name of each command -> its help, and its options and fixed words with theirs."""
    group = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    helps = {action.dest: action.help or "" for action in group._choices_actions}
    made = {}
    for name, command in group.choices.items():
        words: list[tuple[str, str]] = []
        for action in command._actions:
            said = action.help or ""
            words += [(option, said) for option in action.option_strings if option.startswith("--")]
            words += [(str(word), said) for word in action.choices or () if not action.option_strings]
        made[name] = (helps.get(name, ""), words)
    return made


def bash(commands: dict[str, tuple[str, list[tuple[str, str]]]]) -> str:
    """Completion for bash: commands, their options and fixed words, files otherwise."""
    cases = "\n".join(
        f'    {name}) words="{" ".join(word for word, _ in words)}" ;;' for name, (_, words) in commands.items()
    )
    return f"""_jtem() {{
  local here="${{COMP_WORDS[COMP_CWORD]}}" words
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{" ".join(commands)} --help --version" -- "$here"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$here") $(compgen -f -- "$here"))
}}
complete -o filenames -F _jtem jtem"""


def zsh(commands: dict[str, tuple[str, list[tuple[str, str]]]]) -> str:
    """Completion for zsh."""

    def described(words: list[tuple[str, str]]) -> str:
        return " ".join("'" + f"{word}:{said}".replace("'", "'\\''") + "'" for word, said in words)

    listed = described([(name, said) for name, (said, _) in commands.items()])
    cases = "\n".join(f"    {name}) found=({described(words)}) ;;" for name, (_, words) in commands.items())
    return f"""#compdef jtem
_jtem() {{
  local -a found
  if (( CURRENT == 2 )); then
    found=({listed})
    _describe command found
    return
  fi
  case "$words[2]" in
{cases}
  esac
  _describe option found
  _files
}}
compdef _jtem jtem"""


def fish(commands: dict[str, tuple[str, list[tuple[str, str]]]]) -> str:
    """Completion for fish."""

    def quoted(text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    lines = [
        f"complete -c jtem -n __fish_use_subcommand -f -a {name} -d {quoted(said)}"
        for name, (said, _) in commands.items()
    ]
    for name, (_, words) in commands.items():
        for word, said in words:
            what = f"-l {word[2:]}" if word.startswith("--") else f"-a {word}"
            lines.append(f"complete -c jtem -n '__fish_seen_subcommand_from {name}' {what} -d {quoted(said)}")
    return "\n".join(lines)
