"""`podium label`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from podium.cli import talk
from podium.cli.features import tell
from podium.cli.options import json_option, print_json
from podium.types import Lane, Mark, Span, Timeline

if TYPE_CHECKING:
    from podium.solutions.segment_classification.footage.labelling import Label, LabelledVideo

EXAMPLE = """\b
Example:
  podium label new_videos --model runs/mine --projection features/projection --out labelled
  podium label new_videos --model runs/mine --projection features/projection --out labelled --threshold 0.2 --top 3
"""

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_MOST_LANES = 12


@click.command("label", epilog=EXAMPLE)
@click.argument("videos", metavar="VIDEO_FOLDER", type=_FOLDER)
@click.option("--model", metavar="MODEL_FOLDER", required=True, type=_FOLDER, help="What `podium train` made.")
@click.option("--projection", metavar="FOLDER", required=True, type=_FOLDER, help="Of the features it was trained on.")
@click.option("--out", metavar="DIR", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--top", default=5, show_default=True, type=click.IntRange(1), help="Most labels of five seconds.")
@click.option("--threshold", default=0.5, show_default=True, type=click.FloatRange(0, 1), help="Least probability.")
@click.option("--page/--no-page", default=True, show_default=True, help="Write `index.html` with timelines as well.")
@click.option("--max-seconds", default=3_600, show_default=True, type=click.IntRange(1, 86_400), help="Of a video.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Processes that decode.")
@click.option("--device", default="cpu", show_default=True, help="`cpu`, `cuda` or `auto`.")
@json_option
def label_command(
    videos: Path,
    model: Path,
    projection: Path,
    out: Path,
    top: int,
    threshold: float,
    page: bool,
    max_seconds: int,
    workers: int,
    device: str,
    as_json: bool,
) -> None:
    """Say what every five seconds of your own videos show.

    MODEL_FOLDER was trained on features of the same projection. Writes `labels.csv` (video, start, end, class, name,
    probability) and a page with a timeline of each video.
    """
    from podium.solutions.segment_classification.footage.labelling import LabelRequest, label

    talk.step(f"labelling the videos in `{videos}`")
    request = LabelRequest(
        videos=videos,
        model=model,
        projection=projection,
        out=out,
        top=top,
        threshold=threshold,
        max_seconds=max_seconds,
        workers=workers,
        device=device,
    )
    made = label(request, progress=talk.progress)
    tell(made.footage.skipped, (), made.footage.rows)
    count = sum(len(each.labels) for each in made.videos)
    talk.say(f"labels: `{made.path}` ({count} of {len(made.videos)} videos)")
    written = None
    if page:
        from podium.report import timelines

        note = (
            f"Every five seconds, at most {top} classes of probability {threshold:g} or more; darker is more probable."
        )
        drawn = [timeline(each, threshold=threshold) for each in made.videos]
        written = timelines.write_page(drawn, out, media=videos, title="What the videos show", note=note)
        talk.say(f"page: `{written}`")
    if as_json:
        print_json({"labels": made.path, "page": written, "count": count, "skipped": made.footage.skipped})


def timeline(labelled: LabelledVideo, *, threshold: float) -> Timeline:
    """The labels of a video as lanes of classes, the most probable class first."""
    by_class: dict[int, list[Label]] = {}
    for each in labelled.labels:
        by_class.setdefault(each.class_index, []).append(each)
    lanes = sorted(by_class.values(), key=lambda labels: -max(each.probability for each in labels))
    notes = list(labelled.row.notes)
    if not lanes:
        best = labelled.likeliest
        notes.insert(0, f"no class reaches {threshold:g}; the likeliest is {_name(best)} with {best.probability:.2f}")
    if len(lanes) > _MOST_LANES:
        notes.insert(0, f"the {_MOST_LANES} most probable of {len(lanes)} classes are shown")
    return Timeline(
        item=labelled.row.video.name,
        duration_seconds=labelled.row.duration_seconds,
        lanes=tuple(_lane(labels) for labels in lanes[:_MOST_LANES]),
        path=labelled.row.video.name,
        note="; ".join(notes),
    )


def _lane(labels: list[Label]) -> Lane:
    return Lane(
        label=_name(labels[0]),
        spans=tuple(
            Span(
                mark=Mark.PREDICTED,
                start_seconds=each.start_seconds,
                end_seconds=each.end_seconds,
                strength=each.probability,
                note=f"probability {each.probability:.2f}",
            )
            for each in labels
        ),
    )


def _name(one: Label) -> str:
    return one.name or f"class {one.class_index}"
