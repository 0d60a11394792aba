"""What the command says to a person: all of it on stderr, coloured and moving only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from podium.types import Problem, Severity

Step = TypeVar("Step")

_SHOWN_PROBLEMS = 50


def console() -> Console:
    """The console on stderr; rich obeys NO_COLOR."""
    return Console(file=sys.stderr, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """One line of talk."""
    console().print(escape(text))


def step(text: str) -> None:
    """The headline of a part of the work."""
    console().print(f"[bold cyan]▸[/] [bold]{escape(text)}[/]")


def warning(text: str) -> None:
    """Something that the person should know."""
    console().print(f"[yellow]warning:[/] {escape(text)}")


def error(text: str, *, hint: str = "") -> None:
    """What went wrong, and what to do."""
    console().print(f"[red]error:[/] {escape(text)}")
    if hint:
        console().print(f"\n[cyan]hint:[/] {escape(hint)}")


def problems(found: Iterable[Problem]) -> None:
    """Every problem on a line of its own, the first fifty."""
    listed = list(found)
    for each in listed[:_SHOWN_PROBLEMS]:
        colour = "red" if each.severity is Severity.ERROR else "yellow"
        console().print(f"  [{colour}]{each.severity.value}[/] {escape(str(each))}")
    if len(listed) > _SHOWN_PROBLEMS:
        say(f"  … and {len(listed) - _SHOWN_PROBLEMS} more")


def table(columns: Iterable[str], rows: Iterable[Iterable[str]], *, to_stdout: bool = True) -> None:
    """A table for a person; data goes to stdout."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        drawn.add_column(name, overflow="fold")
    for row in rows:
        drawn.add_row(*(escape(each) for each in row))
    stream = sys.stdout if to_stdout else sys.stderr
    # A pipe has no width; without one rich would fold at 80 columns.
    Console(file=stream, highlight=False, width=None if stream.isatty() else 200).print(drawn)


def progress(steps: Iterable[Step], *, what: str, total: int | None = None) -> Iterator[Step]:
    """A bar with a time estimate on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield from steps
        return
    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(), transient=True) as bar:
        task = bar.add_task(what, total=total)
        for each in steps:
            yield each
            bar.advance(task)


def seconds(wall_seconds: float | None) -> str:
    """A duration to read.

    >>> seconds(0.0312), seconds(75.2), seconds(None)
    ('0.03 s', '1 min 15 s', '-')
    """
    if wall_seconds is None:
        return "-"
    if wall_seconds < 60:
        return f"{wall_seconds:.2f} s" if wall_seconds < 10 else f"{wall_seconds:.1f} s"
    return f"{int(wall_seconds // 60)} min {int(wall_seconds % 60)} s"


def size(size_bytes: int | None) -> str:
    """A number of bytes to read.

    >>> size(512), size(3 << 20), size(None)
    ('512 B', '3.0 MiB', '-')
    """
    if size_bytes is None:
        return "-"
    amount, units = float(size_bytes), ("B", "KiB", "MiB", "GiB", "TiB")
    for unit in units:
        if amount < 1024 or unit == units[-1]:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return "-"
