"""`podium identify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from podium.cli import talk
from podium.cli.options import json_option, print_json

if TYPE_CHECKING:
    from podium.solutions.reidentification.identification import Identification

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "identify", epilog="\b\nExample:\n  podium identify --database my_whales new/IMG_0412.jpg --page who.html"
)
@click.option(
    "--database",
    metavar="FOLDER",
    required=True,
    type=_FOLDER,
    help="Known individuals: one sub-folder of photographs each, or a training set in the challenge's layout.",
)
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True, type=_FILE)
@click.option("--model", "assets", metavar="DIR", type=_FOLDER, help="A trained model.  [default: a pretrained one]")
@click.option("--limit", default=10, show_default=True, help="Individuals of a photograph.")
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), help="Also write a page with the pictures.")
@click.option("--device", default="cpu", show_default=True, help="`cpu`, `cuda` or `auto`.")
@json_option
def identify_command(
    database: Path,
    photos: tuple[Path, ...],
    assets: Path | None,
    limit: int,
    page: Path | None,
    device: str,
    as_json: bool,
) -> int:
    """Rank the individuals that photographs may show, and say whether one may be new."""
    from podium.solutions.reidentification.identification import identify
    from podium.solutions.reidentification.model import Model, pretrained

    model = pretrained(device=device) if assets is None else Model.load(assets, device=device)
    found = identify(database, photos, model=model, limit=limit, progress=talk.progress)
    if as_json:
        print_json(found)
    else:
        _tell(found)
    for note in dict.fromkeys(note for each in found for note in each.notes):
        talk.warning(note)
    if page is not None:
        from podium.report import identification

        talk.say(f"page: `{identification.write(found, page)}`")
    return 0 if any(each.suggestions for each in found) else 2


def _tell(found: tuple[Identification, ...]) -> None:
    rows: list[tuple[str, ...]] = []
    for each in found:
        rows += [
            (
                str(each.photo),
                str(one.rank),
                one.individual,
                f"{one.similarity:.3f}",
                _percent(one.probability),
                str(one.photos),
                one.photo.name,
            )
            for one in each.suggestions
        ]
        if each.new is not None:
            rows.append((str(each.photo), "-", "(somebody new)", "", _percent(each.new), "", ""))
    talk.table(("photo", "rank", "individual", "similarity", "probability", "photographs", "most similar"), rows)


def _percent(probability: float | None) -> str:
    from podium.report.identification import percent

    return "-" if probability is None else percent(probability)
