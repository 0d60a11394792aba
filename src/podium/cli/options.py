"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from podium.types import Score

challenge_argument = click.argument("challenge_id", metavar="ID")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout instead of a table.")
phase_option = click.option("--phase", default="1", show_default=True, help="Phase whose rules apply.")
parity_option = click.option(
    "--parity", is_flag=True, help="Reproduce the official tools, their holes included; the default closes the holes."
)
seed_option = click.option("--seed", default=0, show_default=True, help="Seed of everything that is drawn.")


def path_argument(name: str, metavar: str, *, exists: bool = True) -> Any:
    """A path that must (or need not) exist."""
    return click.argument(name, metavar=metavar, type=click.Path(exists=exists, path_type=Path))


def data_option(*, required: bool = True, text: str = "The data set's folder.") -> Any:
    """`--data DIR`."""
    kind = click.Path(exists=True, file_okay=False, path_type=Path)
    return click.option("--data", "data", metavar="DIR", required=required, type=kind, help=text)


def print_json(value: Any) -> None:
    """Any value as JSON on stdout."""
    click.echo(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode())


def number(score: Score) -> str:
    """A score with its interval, for a person."""
    if score.interval is None:
        return f"{score.metric} {score.value:.4f}"
    low, high = score.interval
    return f"{score.metric} {score.value:.4f}  [{low:.4f}, {high:.4f}]"
