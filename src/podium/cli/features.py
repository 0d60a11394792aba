"""`podium features`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from podium.cli import talk
from podium.cli.options import json_option, print_json

if TYPE_CHECKING:
    from podium.solutions.segment_classification.footage.records import Row

EXAMPLE = """\b
Example:
  podium features my_matches --out features --labels ratings.csv
  podium train segment_classification/quick --data features --out runs/mine
  podium features next_season --out features2 --projection features/projection
"""

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SHOWN_NOTES = 20


@click.command("features", epilog=EXAMPLE)
@click.argument("videos", metavar="VIDEO_FOLDER", type=_FOLDER)
@click.option("--out", metavar="DIR", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--labels", metavar="CSV", type=_FILE, help="People's ratings: `video,start,class` and maybe `score`.")
@click.option("--vocabulary", metavar="CSV", type=_FILE, help="Keep to the classes of an earlier folder.")
@click.option("--projection", metavar="FOLDER", type=_FOLDER, help="Of earlier features, so that both compare.")
@click.option(
    "--weights",
    default="efficientnet_lite0",
    show_default=True,
    help="Of the network that looks: built in, a file, or `timm:inception_v3`.",
)
@click.option("--architecture", metavar="NAME", help="timm's name for the network of a file of weights.")
@click.option("--official-pca", metavar="FOLDER", type=_FOLDER, help="`mean.npy`, `eigenvals.npy`, `eigenvecs.npy`.")
@click.option("--max-seconds", default=3_600, show_default=True, type=click.IntRange(1, 86_400), help="Of a video.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Processes that decode.")
@click.option("--device", default="cpu", show_default=True, help="`cpu`, `cuda` or `auto`.")
@json_option
def features_command(
    videos: Path,
    out: Path,
    labels: Path | None,
    vocabulary: Path | None,
    projection: Path | None,
    weights: str,
    architecture: str | None,
    official_pca: Path | None,
    max_seconds: int,
    workers: int,
    device: str,
    as_json: bool,
) -> None:
    """Make features of your own videos in the form of YouTube-8M: one row a second, pictures and sound.

    Rated videos go to `segment/train` and `video/train`, all others to `segment/test`, so that `podium train` and
    `podium predict` take DIR as their data. Run again after an interruption, it goes on where it stopped.
    """
    from podium.solutions.segment_classification.footage.features import FeatureRequest, make

    talk.step(f"features of the videos in `{videos}`")
    request = FeatureRequest(
        videos=videos,
        out=out,
        projection=projection,
        weights=weights,
        architecture=architecture,
        official_pca=official_pca,
        labels=labels,
        vocabulary=vocabulary,
        max_seconds=max_seconds,
        workers=workers,
        device=device,
    )
    made = make(request, progress=talk.progress)
    tell(made.skipped, made.notes, made.rows)
    parts = {part: sum(row.part == part for row in made.rows) for part in sorted({row.part for row in made.rows})}
    seconds = sum(row.frames for row in made.rows)
    if as_json:
        print_json({"out": out, "projection": out / "projection", "parts": parts, "seconds": seconds})
        return
    for part, count in parts.items():
        talk.say(f"{part}: {count} videos")
    talk.say(f"features of {talk.seconds(seconds)} of video: `{out}`; the projection: `{out / 'projection'}`")


def tell(skipped: tuple[str, ...], notes: tuple[str, ...], rows: Sequence[Row]) -> None:
    """What a person should know of the videos that were read, and of those that were not; equal notes on one line."""
    for each in skipped[:_SHOWN_NOTES]:
        talk.warning(f"left out: {each}")
    for each in notes:
        talk.warning(each)
    noted: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda each: each.video.name):
        for note in row.notes:
            noted.setdefault(note, []).append(row.video.name)
    for note, names in list(noted.items())[:_SHOWN_NOTES]:
        whose = f"`{names[0]}`" if len(names) == 1 else f"`{names[0]}` and {len(names) - 1} more"
        talk.say(f"  {whose}: {note}")
    more = max(0, len(skipped) - _SHOWN_NOTES) + max(0, len(noted) - _SHOWN_NOTES)
    if more:
        talk.say(f"  … and {more} more, in `videos.csv` and `skipped.csv`")
