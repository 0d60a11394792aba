"""`podium segment`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from podium.cli import talk
from podium.cli.options import json_option, print_json
from podium.errors import UsageError

if TYPE_CHECKING:
    from podium.solutions.object_segmentation.footage import Segmentation
    from podium.solutions.object_segmentation.inference import Segmenter

EXAMPLE = """\b
Example:
  podium segment holiday.mp4 -o holiday_masks --model runs/mine/model_assets
  podium segment frames/ -o masks --classical --no-overlay
"""

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("segment", epilog=EXAMPLE)
@click.argument("footage", metavar="VIDEO", type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--out", metavar="OUT", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--model", metavar="FOLDER", type=_FOLDER, help="`model_assets` of a training.  [default: no model]")
@click.option("--classical", is_flag=True, help="Motion and colour alone, without a model.")
@click.option("--overlay/--no-overlay", default=True, show_default=True, help="Write `overlay.mp4` as well.")
@click.option("--threshold", default=0.5, show_default=True, type=click.FloatRange(0, 1, min_open=True))
@click.option(
    "--frames-per-second",
    type=click.FloatRange(0.001, 1_000),
    help="How many masks a second; for a folder, how fast it plays.  [default: every frame; 24 for a folder]",
)
@click.option(
    "--max-side",
    default=854,
    show_default=True,
    type=click.IntRange(0, 8_192),
    help="Larger frames, and so their masks, are made this long; 0 leaves them.",
)
@click.option("--device", default="auto", show_default=True, help="`cpu`, `cuda` or `auto`.")
@json_option
def segment_command(
    footage: Path,
    out: Path,
    model: Path | None,
    classical: bool,
    overlay: bool,
    threshold: float,
    frames_per_second: float | None,
    max_side: int,
    device: str,
    as_json: bool,
) -> int:
    """Find the object that a video is about: a mask for each frame, and a video with the masks drawn over it.

    VIDEO is a file or a folder of frames. Writes OUT/masks/00000.png (255 is the object), OUT/overlay.mp4 and
    OUT/segmentation.json. Without a model, the classical method finds what moves.
    """
    if model is not None and classical:
        raise UsageError("`--classical` needs no model; leave `--model` or `--classical` out")
    from podium.solutions.object_segmentation.footage import SegmentRequest, segment

    if model is None and not classical:
        talk.say("no `--model` is given: the classical method, which has no parameters, finds what moves")
    request = SegmentRequest(
        footage=footage,
        out=out,
        method="classical" if model is None else str(model),
        overlay=overlay,
        threshold=threshold,
        frames_per_second=frames_per_second,
        max_side=max_side or None,
    )
    talk.step(f"segmenting `{footage}`")
    done = segment(request, _segmenter(model, device), progress=talk.progress)
    _tell(done, out, overlay=overlay)
    if as_json:
        print_json(done)
    if done.fault == "interrupted":
        raise KeyboardInterrupt
    if done.fault:
        raise UsageError(f"the frames end early: {done.fault}; the `{done.frames}` masks before that are kept")
    return 0


def _segmenter(model: Path | None, device: str) -> Segmenter:
    if model is None:
        from podium.solutions.object_segmentation.classical import ClassicalSegmenter

        return ClassicalSegmenter()
    from podium.solutions.object_segmentation.inference import NetworkSegmenter
    from podium.solutions.object_segmentation.model import Model

    return NetworkSegmenter(Model.load(model, device=device))


def _tell(done: Segmentation, out: Path, *, overlay: bool) -> None:
    from podium.solutions.object_segmentation.footage import MASKS, OVERLAY

    if done.unreadable_frames:
        talk.warning(f"`{done.footage}`: frames that could not be decoded and have no mask: `{done.unreadable_frames}`")
    share = sum(done.shares) / len(done.shares)
    talk.say(
        f"masks: `{out / MASKS}` ({done.frames} of {done.width}x{done.height}; "
        f"the object is {share:.1%} of the picture, {talk.seconds(done.seconds_per_frame)} a frame)"
    )
    if overlay:
        talk.say(f"overlay: `{out / OVERLAY}`")
