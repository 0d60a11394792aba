"""`podium predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from podium.cli import talk
from podium.cli.options import json_option, print_json
from podium.errors import ChallengeError, UsageError

if TYPE_CHECKING:
    from podium.challenges.yt8m_segments.builder import Segments
    from podium.challenges.yt8m_segments.layout import Videos
    from podium.solutions.segment_classification.inference import InferenceSettings
    from podium.solutions.segment_classification.model import Model

PREDICTIONS = "predictions"
CLASSES = "classes.csv"

EXAMPLE = """\b
Example:
  podium predict runs/aware/model_assets --data data/yt8m --out predicted
  podium predict runs/* --data data --out predicted --resume
  podium predict runs/aware --shards my_features --first 0 --last 0 --out mine
"""

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_OUT = click.Path(file_okay=False, path_type=Path)


@click.command("predict", epilog=EXAMPLE)
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=_FOLDER)
@click.option("--data", metavar="DIR", type=_FOLDER, help="A data set, or a `data` folder with `segment/test`.")
@click.option("--shards", metavar="FOLDER", type=_FOLDER, help="Predict these TFRecord files instead of the test set.")
@click.option("--out", metavar="DIR", required=True, type=_OUT, help="Gets `predictions/` and `sub.csv`.")
@click.option("--resume", is_flag=True, help="Go on with what is in --out, to the very same result.")
@click.option("--device", default="auto", show_default=True, help="`cpu`, `cuda` or `auto`.")
@click.option("--submission/--no-submission", default=True, show_default=True, help="Write `sub.csv` as well.")
@click.option("--first", default=6, show_default=True, type=click.IntRange(0), help="Slots left out at the start.")
@click.option("--last", default=2, show_default=True, type=click.IntRange(0), help="Slots left out at the end.")
@click.option("--numbers", default="float16", show_default=True, help="`float16`, `float32`, or `int16` of 9999 p.")
@click.option("--skip-damaged", is_flag=True, help="Leave out videos whose records are damaged; else they are refused.")
@json_option
def predict_command(
    models: tuple[Path, ...],
    data: Path | None,
    shards: Path | None,
    out: Path,
    resume: bool,
    device: str,
    submission: bool,
    first: int,
    last: int,
    numbers: str,
    skip_damaged: bool,
    as_json: bool,
) -> None:
    """Predict every class of every five seconds with trained models, and rank the segments of each class.

    MODEL is a folder that `podium train` made; of several, or of one with several networks, the probabilities are
    averaged. Writes `predictions/NAME.npy` of each network, (classes, segments), their order in `classes.csv`, and
    `sub.csv`.
    """
    from podium.challenges.yt8m_segments.builder import Eligibility, eligible_segments

    if data is None and shards is None:
        raise UsageError("`--data DIR` or `--shards FOLDER` is needed, so that there is something to predict")
    if not resume and out.exists() and any(out.iterdir()):
        raise UsageError(f"`{out}` is not an empty folder; go on with `--resume` or name another")
    settings = _settings(numbers)
    model = _load(models, device)
    files = _test_shards(data, shards, model)
    listed = None if shards is not None or skip_damaged or data is None else _listed(data)
    out.mkdir(parents=True, exist_ok=True)
    videos = listed or _walked(files, out, skip_damaged=skip_damaged)
    segments = eligible_segments(videos, Eligibility(first=first, last=last))
    if not len(segments.video):
        raise UsageError(f"no slot is left of `{len(videos.ids)}` videos; take less away with `--first` and `--last`")
    talk.step(
        f"predicting {len(segments.video):,} segments of {len(videos.ids):,} videos with {len(model.members)}"
        f" network{'s' if len(model.members) > 1 else ''}"
    )
    model.classes.write(out / CLASSES)
    made = _predict(model, files, segments, out / PREDICTIONS, settings, resume=resume)
    for path in made:
        talk.say(f"predictions: `{path}` ({talk.size(path.stat().st_size)})")
    ranked = _rank(out, made, segments, model) if submission else None
    if as_json:
        print_json({"out": out, "predictions": made, "submission": ranked, "segments": len(segments.video)})


def _settings(numbers: Any) -> InferenceSettings:
    from podium.solutions.segment_classification.inference import InferenceSettings

    return InferenceSettings(numbers=numbers)


def _load(folders: tuple[Path, ...], device: str) -> Model:
    from podium.solutions.segment_classification.model import ASSETS, MODEL_FILE, Model, together

    found: dict[str, Path] = {}
    for folder in folders:
        inside = folder / ASSETS
        assets = inside if not (folder / MODEL_FILE).is_file() and inside.is_dir() else folder
        path = assets.resolve()
        name = path.parent.name if path.name == ASSETS else path.name
        if name in found:
            raise UsageError(f"two models would be called `{name}`: `{found[name]}` and `{assets}`; rename one folder")
        found[name] = assets
    return together({name: Model.load(assets, device=device) for name, assets in found.items()})


def _test_shards(data: Path | None, shards: Path | None, model: Model) -> tuple[Path, ...]:
    from podium.solutions.segment_classification import material
    from podium.solutions.segment_classification.classes import Classes

    found = None if data is None else material.find(data)
    if found is not None:
        wanted, known = set(Classes.read(found.vocabulary).rows), set(model.classes.rows)
        if wanted != known:
            first = min(wanted ^ known)
            where = "only the data has" if first in wanted else "only the model knows"
            raise UsageError(f"the classes of model and data differ in `{len(wanted ^ known)}`; {where} `{first}`")
    if shards is not None:
        files = material.shards_in(shards)
        place = shards
    else:
        files = () if found is None else found.segment_test
        place = data
    if not files:
        raise UsageError(f"`{place}` holds no shards to predict; `{material.PATTERN}` files are looked for")
    return files


def _listed(data: Path) -> Videos | None:
    """What the data set says of its test videos."""
    from podium.challenges.yt8m_segments import layout

    tables = (data / "inputs" / layout.VIDEOS, data / layout.VIDEOS)
    found = next((each for each in tables if each.is_file()), None)
    return None if found is None else layout.read_videos(found)


def _walked(shards: tuple[Path, ...], out: Path, *, skip_damaged: bool) -> Videos:
    """What the shards say, kept in `videos.csv`."""
    import numpy as np

    from podium.challenges.yt8m_segments import census, inspection, layout

    kept = out / layout.VIDEOS
    if kept.is_file() and any((out / PREDICTIONS).glob("*.json")):
        return layout.read_videos(kept)
    found = census.take(shards, root=shards[0].parent, what="looking at videos", progress=talk.progress)
    talk.problems(found.problems)
    if found.problems and not skip_damaged:
        raise ChallengeError("the shards are damaged; `--skip-damaged` leaves out what cannot be read")
    sound_V = np.array([layout.is_video_id(each) for each in found.ids], dtype=np.bool_) & (found.frames_V > 0)
    videos = layout.Videos(ids=found.videos.ids[sound_V], frames=found.frames_V[sound_V])
    twice = sorted(inspection.repeated(videos.ids.tolist()))
    if twice:
        raise ChallengeError(f"the shards hold the video `{twice[0]}` twice; take one of the two out")
    if not len(videos.ids):
        raise ChallengeError("no shard holds a video that can be predicted")
    layout.write_videos(kept, videos)
    return layout.read_videos(kept)


def _predict(
    model: Model,
    shards: tuple[Path, ...],
    segments: Segments,
    folder: Path,
    settings: InferenceSettings,
    *,
    resume: bool,
) -> tuple[Path, ...]:
    from podium.solutions.segment_classification.inference import Windows, predict

    windows = Windows(ids=segments.ids, video_N=segments.video, start_seconds_N=segments.start_seconds)
    return predict(model, shards, windows, folder, settings=settings, resume=resume, progress=talk.progress)


def _rank(out: Path, made: tuple[Path, ...], segments: Segments, model: Model) -> Path:
    from podium.challenges.yt8m_segments.builder import ScoreFile, write_submission
    from podium.challenges.yt8m_segments.predictions import SUBMISSION

    path = out / SUBMISSION
    scores = [ScoreFile(each) for each in made]
    write_submission(path, scores, segments, model.classes.indices_C, progress=talk.progress)
    talk.say(f"submission: `{path}` ({talk.size(path.stat().st_size)})")
    return path
