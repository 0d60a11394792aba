"""`podium submit-file`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from podium.cli import talk
from podium.cli.options import data_option, json_option, print_json
from podium.errors import ChallengeError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from podium.challenges.yt8m_segments.builder import ScoreFile, Segments
    from podium.challenges.yt8m_segments.layout import Videos

EXAMPLE = """\b
Example:
  podium submit-file predicted --data data/yt8m -o sub.csv
  podium submit-file first.npy second.npy --data data/yt8m/public/official --cap 1000
"""

PREDICTIONS = "predictions"
CLASSES = "classes.csv"


@click.command("submit-file", epilog=EXAMPLE)
@click.argument("predictions", metavar="PREDICTIONS...", nargs=-1, required=True, type=click.Path(path_type=Path))
@data_option(text="A data set of `yt8m-segments`, or a folder with the vocabulary and `videos.csv` or `segment/test`.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("sub.csv"),
    show_default=True,
    help="The submission file.",
)
@click.option("--force", is_flag=True, help="Overwrite the file when it is there.")
@click.option("--cap", default=100_000, show_default=True, type=click.IntRange(1), help="Entries of a class.")
@click.option("--first", default=6, show_default=True, type=click.IntRange(0), help="Slots left out at the start.")
@click.option("--last", default=2, show_default=True, type=click.IntRange(0), help="Slots left out at the end.")
@click.option(
    "--classes",
    metavar="CSV",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The classes in the order of the predictions, column `Index`.  [default: a classes.csv with the predictions, "
    "else the vocabulary]",
)
@json_option
def submit_file_command(
    predictions: tuple[Path, ...],
    data: Path,
    output: Path,
    force: bool,
    cap: int,
    first: int,
    last: int,
    classes: Path | None,
    as_json: bool,
) -> None:
    """Rank the segments of each class by predictions on disk, and write the submission file.

    PREDICTIONS are `.npy` files, one a model, of shape (classes, segments), or folders that `podium predict` left.
    Their mean decides; equal segments stand in the order of the data set, so the same predictions give the same file.
    --first and --last must be those of the prediction.
    """
    from podium.challenges.yt8m_segments.builder import Eligibility, ScoreFile, eligible_segments, write_submission

    if output.exists() and not force:
        raise UsageError(f"`{output}` exists already; name another file, or overwrite it with `--force`")
    files = _files(predictions)
    scores = [ScoreFile(each) for each in files]
    indices_C = _class_indices(classes or _beside_predictions(predictions, CLASSES), data)
    segments = eligible_segments(_videos(predictions, data), Eligibility(first=first, last=last))
    for each in scores:
        _check_fit(each, len(indices_C), segments)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_submission(output, scores, segments, indices_C, cap=cap, progress=talk.progress)
    if as_json:
        print_json({"file": output, "models": files, "classes": len(indices_C), "segments": len(segments.video)})
    of = "one model" if len(files) == 1 else f"{len(files)} models"
    talk.say(f"submission file: `{output}`, {talk.size(output.stat().st_size)}, by the predictions of {of}")


def _files(places: tuple[Path, ...]) -> tuple[Path, ...]:
    """The files of all places; of a folder those in it, or in its `predictions`, by name."""
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise UsageError(f"the predictions `{place}` do not exist")
        if not place.is_dir():
            found.append(place)
            continue
        inside = [place, place / PREDICTIONS]
        unfinished = [path for folder in inside for path in sorted(folder.glob("*.npy.partial"))]
        if unfinished:
            raise UsageError(f"`{unfinished[0]}` is not finished; `podium predict --resume` goes on with it")
        files = sorted(place.glob("*.npy")) or sorted((place / PREDICTIONS).glob("*.npy"))
        if not files:
            raise UsageError(f"`{place}` holds no predictions; `*.npy` files are looked for, there and in a sub-folder")
        found += files
    if len({path.resolve() for path in found}) < len(found):
        raise UsageError("the same predictions are named twice; each would count double")
    return tuple(found)


def _beside_predictions(places: tuple[Path, ...], name: str) -> Path | None:
    """The table of that name that predictions left; all must tell the same."""
    folders = [place if place.is_dir() else place.parent for place in places]
    folders += [folder.absolute().parent for folder in folders if folder.absolute().name == PREDICTIONS]
    tables = [folder / name for folder in dict.fromkeys(folders) if (folder / name).is_file()]
    differing = next((each for each in tables if each.read_bytes() != tables[0].read_bytes()), None)
    if differing is not None:
        what = "classes" if name == CLASSES else "videos"
        raise UsageError(f"`{tables[0]}` and `{differing}` name other {what}, or in another order; predict anew")
    return tables[0] if tables else None


def _class_indices(table: Path | None, data: Path) -> NDArray[np.int64]:
    from podium.challenges.yt8m_segments import layout
    from podium.challenges.yt8m_segments.lexicon import read_indices
    from podium.challenges.yt8m_segments.vocabulary import read_vocabulary

    known = read_vocabulary(_beside(data, layout.VOCABULARY)).indices
    if table is None:
        return known
    indices_C = read_indices(table)
    strange = sorted(set[int](indices_C.tolist()) - set[int](known.tolist()))
    if strange:
        raise UsageError(f"`{table}` names class `{strange[0]}`, which is not in the vocabulary of `{data}`")
    return indices_C


def _videos(predictions: tuple[Path, ...], data: Path) -> Videos:
    """What the `videos.csv` of the predictions says, else that of the data.

    Without any, as in the folder of the 7th place's code, the shards are walked.
    """
    from podium.challenges.yt8m_segments import census, layout

    walked = _beside_predictions(predictions, layout.VIDEOS)
    if walked is not None:
        return layout.read_videos(walked)
    folder = _beside(data, layout.VOCABULARY).parent
    if (folder / layout.VIDEOS).is_file():
        return layout.read_videos(folder / layout.VIDEOS)
    shards = census.shards_in(folder / layout.SEGMENT_TEST)
    if not shards:
        raise UsageError(f"`{folder}` has neither `{layout.VIDEOS}` nor shards in `{layout.SEGMENT_TEST}`")
    found = census.take(shards, root=folder, what="counting frames", progress=talk.progress)
    if found.problems:
        talk.problems(found.problems)
        raise ChallengeError(f"shards in `{folder / layout.SEGMENT_TEST}` are broken")
    return found.videos


def _beside(data: Path, name: str) -> Path:
    """A file of what is judged: in `inputs/` of a data set, or in the folder itself."""
    places = (data / "inputs" / name, data / name)
    found = next((each for each in places if each.is_file()), None)
    if found is None:
        raise UsageError(f"`{data}` is no data of yt8m-segments: neither `inputs/{name}` nor `{name}` is there")
    return found


def _check_fit(scores: ScoreFile, classes: int, segments: Segments) -> None:
    """Refuses predictions of other segments; where only their number is known, by that."""
    from podium.solutions.segment_classification.score_files import windows_digest, windows_of

    count = len(segments.video)
    if scores.shape != (classes, count):
        wanted = f"`{classes}` classes by `{count}` segments of `videos.csv`"
        raise UsageError(
            f"`{scores.path}` has the shape `{scores.shape}`; {wanted} are needed: is it of this data, and of the same "
            "--first and --last?"
        )
    found = windows_of(scores.path)
    if found is not None and found != windows_digest(segments.ids, segments.video, segments.start_seconds):
        raise UsageError(
            f"`{scores.path}` is of other segments, though of as many: is it of this data, and of the same --first and "
            "--last?"
        )
