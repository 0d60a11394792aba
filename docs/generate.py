"""Writes docs/reference from the code: `python docs/generate.py`; with `--check` it only says whether that is due."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ["COLUMNS"] = "100"
os.environ["NO_COLOR"] = "1"

import click

import podium
from podium import types
from podium.challenges import challenges
from podium.cli import cli

QUOTE = chr(39)
REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Written by `python docs/generate.py`; edit the code, not this page. -->\n"


def pages() -> dict[str, str]:
    """Every page of the reference by its file name."""
    return {"cli.md": command_page(), "api.md": api_page(), "challenges.md": challenge_page()}


def command_page() -> str:
    """The command and all its subcommands, with the text of `-h`."""
    parts = [NOTE, "# The command\n", "stdout is data, stderr is talk. `NO_COLOR` is obeyed.\n"]
    parts.append(_table(("exit code", "meaning"), _EXIT_CODES))
    for path, command in _commands(cli, "podium"):
        context = click.Context(
            command, info_name=path, max_content_width=100, terminal_width=100, help_option_names=["-h", "--help"]
        )
        parts.append(f"## `{path}`\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


_EXIT_CODES = [
    ("0", "done, or scored"),
    ("1", "the submission is at fault"),
    ("2", "wrong use"),
    ("3", "the challenge or this machine is at fault"),
    ("130", "interrupted"),
]


def api_page() -> str:
    """What `import podium` offers, and the values that it returns."""
    parts = [NOTE, "# The API\n", _docstring(podium)]
    names = [name for name in podium.__all__ if not name.startswith("_")]
    parts.extend(_entry(f"podium.{name}", getattr(podium, name)) for name in names)
    parts.append("# The values\n\nFrozen dataclasses in `podium.types`.\n")
    for name in types.__all__:
        value = getattr(types, name)
        if inspect.isclass(value) and name not in podium.__all__:
            parts.append(_entry(f"podium.types.{name}", value))
    return "\n".join(parts)


def challenge_page() -> str:
    """The built-in challenges."""
    parts = [NOTE, "# The challenges\n"]
    for each in challenges().values():
        rows = [
            ("official metric", each.metric.name),
            ("uploads", ", ".join(f"`{name}`" for name in each.uploads) or "none"),
            ("`main.py` writes", ", ".join(f"`{name}`" for name in each.outputs)),
            ("runs in", f"`{each.workdir}`"),
            ("sees", ", ".join(f"`inputs/{part}` at `{target}`" for part, target in each.mounts)),
            ("wall time", f"{each.limits.wall_seconds:g} s + {each.wall_seconds_per_query:g} s a query"),
            ("memory", f"{each.limits.memory_bytes / 2**30:g} GiB"),
            *((f"phase {phase.name}", phase.summary) for phase in each.phases),
        ]
        parts.append(f"## `{each.id}`: {each.title}\n\n{each.summary}\n\n{_table(('', ''), rows)}")
    return "\n".join(parts)


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _commands(child, f"{path} {name}")


def _entry(name: str, value: object) -> str:
    heading = f"## `{name}`\n"
    signature = ""
    if callable(value) and not inspect.isclass(value):
        signature = f"\n```python\n{name}{str(inspect.signature(value)).replace(QUOTE, '')}\n```\n"
    elif inspect.isclass(value) and hasattr(value, "__dataclass_fields__"):
        fields = "\n".join(f"{each.name}: {each.type}" for each in value.__dataclass_fields__.values())
        signature = f"\n```python\n{fields}\n```\n"
    return f"{heading}{signature}\n{_docstring(value)}"


def _docstring(value: object) -> str:
    text, _, example = (inspect.getdoc(value) or "").partition("\n>>> ")
    shown = "\n".join(_markdown(line) for line in text.splitlines())
    code, _, rest = example.partition("\n\n")
    block = f"\n```python\n>>> {code}\n```\n" if code else ""
    return f"{shown}\n{block}\n{rest}".rstrip() + "\n"


def _markdown(line: str) -> str:
    if line in ("Args:", "Attributes:", "Raises:", "Returns:"):
        return f"**{line[:-1]}**\n"
    if line.startswith("    ") and not line.startswith("     "):
        name, colon, rest = line.strip().partition(": ")
        return f"- `{name}`: {rest}" if colon else line.strip()
    return line.strip() if line.startswith("     ") else line


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main() -> int:
    """Writes the pages, or with `--check` names those that are out of date."""
    stale = [
        name
        for name, text in pages().items()
        if not (REFERENCE / name).is_file() or (REFERENCE / name).read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"docs/reference/{name} is out of date; run `python docs/generate.py`", file=sys.stderr)
        return 1 if stale else 0
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
