"""Makes a labelled video-copy data set out of any videos and photos.

Where footage is short, labels come before numbers: every scene is copied from one reference only, families of
look-alike scenes stay in one part of one split, and what remains of the references and queries is made of footage that
no counterpart shows (`casting`). Then, in this order, pictures are cut into parts that share no pixel; the clips and
photos of installed packages fill the training split and what is never copied in the judged one; takes get shorter.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import msgspec
import numpy as np

from podium.challenges.vsc import data, layout
from podium.challenges.vsc.casting import cast
from podium.challenges.vsc.plan import SIZES, SplitPlanner
from podium.challenges.vsc.script import Scale, Split, Video, told
from podium.errors import MachineError, UsageError, nearest
from podium.formats import digests, tables
from podium.media import edits, footage, library, reel
from podium.media.footage import Look, Scene
from podium.media.library import Source
from podium.media.reel import Window
from podium.types import DataRequest, DataSet, Problem, Progress, silent

SUBSET_SEED = 42
"""The official one."""

# x264's macroblock tree, which slower presets switch on, reads memory that nobody wrote: the bytes then differ from run
# to run on small frames, measured with the encoder that PyAV 18 ships.
_PRESET = "superfast"


@dataclass(frozen=True, kw_only=True)
class Found:
    """Footage for a data set, and a warning for each file that could not be used."""

    scenes: tuple[Scene, ...]
    skipped: tuple[Problem, ...]


def make(request: DataRequest, *, progress: Progress = silent) -> DataSet:
    """A labelled data set in the official layout: `public/train` and `public/test`, `inputs/`, `answers/`.

    The same request over the same sources gives the same labels, metadata and edits byte for byte; the videos too where
    the same encoder runs. `answers/edits.json` tells for every query what was done to it, and which files were skipped.

    Args:
        request: `media` None takes what ships in Python packages. In `tiny`, `small` and `base` the judged split has
            6, 24 or 64 references and 8, 32 or 112 queries, of which a quarter hold copies.
        progress: Shows three steps: looking at sources, making references, making queries.

    Raises:
        UsageError: The size is unknown, the difficulty is out of range, `into` is not empty, or there is too little
            footage.
        MachineError: PyAV, or the packages that bring footage, are missing.
    """
    scale = SIZES.get(request.size)
    if scale is None:
        raise UsageError(f"no size is called `{request.size}`; {nearest(request.size, SIZES)}")
    if not 0.0 <= request.difficulty <= 1.0:
        raise UsageError(f"the difficulty is `{request.difficulty}`; 0 to 1 is allowed")
    fresh = not request.into.exists()
    made = data.start(request.into)
    try:
        found = find_scenes(request.media, scale, seed=request.seed, progress=progress)
        splits = plan(found.scenes, request)
        _render_all(splits, made.root, workers=request.workers, progress=progress)
        _write_tables(splits, made)
        _write_edits(splits, made, found, request)
        data.fill_inputs(made, made.public / "test", proportion=scale.proportion, seed=SUBSET_SEED)
        digests.write_manifest(made.root, made.manifest)
    except BaseException:
        # Half a data set would refuse the next try, because its folder must be empty.
        for part in (made.root,) if fresh else (made.public, made.inputs, made.answers):
            shutil.rmtree(part, ignore_errors=True)
        raise
    return made


def find_scenes(folder: Path | None, scale: Scale, *, seed: int, progress: Progress = silent) -> Found:
    """The scenes of a folder or of the installed packages, cut into as many parts as the size needs."""
    own = library.packaged(progress=progress) if folder is None else library.find(folder.absolute(), progress=progress)
    chosen = _chosen(own.sources, scale, seed)
    looks = footage.look_at_all(chosen, progress=progress)
    skipped = own.skipped + looks.skipped
    scenes = _enough(looks.looks, scale)
    if folder is None or not _short(scenes, scale):
        return Found(scenes=scenes, skipped=skipped)
    try:
        extra = library.packaged(progress=progress)
    except MachineError:
        return Found(scenes=scenes, skipped=skipped)
    more = footage.look_at_all(extra.sources, progress=progress)
    return Found(scenes=_enough((*looks.looks, *more.looks), scale), skipped=skipped)


def plan(scenes: Sequence[Scene], request: DataRequest) -> tuple[Split, ...]:
    """The training and the test split of a request. Pure."""
    scale = SIZES[request.size]
    rng = np.random.default_rng([request.seed, 20_230_409])
    roles = cast(scenes, rng)
    return tuple(
        SplitPlanner(name, stock, counts, scale=scale, difficulty=request.difficulty, rng=rng).plan()
        for name, stock, counts in (("train", roles.train, scale.train), ("test", roles.test, scale.test))
    )


def render(video: Video, root: Path, into: Path) -> None:
    """Makes one video file.

    Args:
        video: The plan; paths in it may be relative to `root`.
        root: The data set's folder.
        into: The file.
    """
    from podium.media import video as files

    into.parent.mkdir(parents=True, exist_ok=True)
    files.write(
        into,
        _frames(video, root),
        frames_per_second=video.frames_per_second,
        bit_rate=video.bits_per_second,
        preset=_PRESET,
    )


def _frames(video: Video, root: Path) -> Iterator[np.ndarray]:
    rate, size = video.frames_per_second, video.size
    for piece in video.pieces:
        shown = reel.frames(
            _below(root, piece.window), count=piece.frames, frames_per_second=rate, size=size, fit=piece.fit
        )
        others: Iterator[np.ndarray] = iter(())
        if piece.companion is not None:
            window = _below(root, piece.companion)
            others = reel.frames(window, count=piece.frames, frames_per_second=rate, size=size)
        yield from edits.apply(piece.edits, shown, companions_HWC=others)


def _below(root: Path, window: Window) -> Window:
    return replace(window, path=root / window.path)


def _render_all(splits: Sequence[Split], root: Path, *, workers: int, progress: Progress) -> None:
    references = [(split.name, "reference", video) for split in splits for video in split.references]
    queries = [(split.name, "query", video) for split in splits for video in split.queries]
    for jobs, what in ((references, "making references"), (queries, "making queries")):
        # The longest first, so that no processor waits for a long one at the end.
        jobs.sort(key=lambda job: (-job[2].frames, job[2].video_id))
        for _ in progress(_rendered(jobs, root, workers), what=what, total=len(jobs)):
            pass


def _rendered(jobs: Sequence[tuple[str, str, Video]], root: Path, workers: int) -> Iterator[None]:
    targets = [(video, root, root / "public" / split / kind / f"{video.video_id}.mp4") for split, kind, video in jobs]
    if workers <= 1:
        for target in targets:
            yield render(*target)
        return
    with ProcessPoolExecutor(max_workers=workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(render, *target) for target in targets]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise MachineError("a process that makes videos was ended from outside, most likely for memory") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _write_tables(splits: Sequence[Split], made: DataSet) -> None:
    for split in splits:
        folder = made.public / split.name
        for videos, name in ((split.queries, layout.QUERY_METADATA), (split.references, layout.REFERENCE_METADATA)):
            columns = {
                "video_id": [video.video_id for video in videos],
                "duration_sec": [video.seconds for video in videos],
                "frames_per_sec": [float(video.frames_per_second) for video in videos],
                "width": [video.size[0] for video in videos],
                "height": [video.size[1] for video in videos],
                "rn": list(range(1, len(videos) + 1)),
            }
            tables.write(folder / name, columns)
        rows = [asdict(copy) for copy in split.copies]
        into = made.answers if split.name == "test" else folder
        tables.write(into / layout.GROUND_TRUTH, {name: [row[name] for row in rows] for name in layout.MATCH_COLUMNS})


def _write_edits(splits: Sequence[Split], made: DataSet, found: Found, request: DataRequest) -> None:
    story = {
        "size": request.size,
        "difficulty": request.difficulty,
        "seed": request.seed,
        "sources": sorted({scene.source.name for scene in found.scenes}),
        "skipped": [str(problem) for problem in found.skipped],
        "references": {video.video_id: told(video) for split in splits for video in split.references},
        "queries": {video.video_id: told(video) for split in splits for video in split.queries},
    }
    (made.answers / layout.EDITS).write_bytes(msgspec.json.format(msgspec.json.encode(story), indent=1) + b"\n")


def _chosen(sources: Sequence[Source], scale: Scale, seed: int) -> tuple[Source, ...]:
    """At most as many sources as the size needs: any, but for the smallest size those that decode fastest."""
    if len(sources) <= scale.sources:
        return tuple(sources)
    if scale.quick:
        rows = sorted(range(len(sources)), key=lambda row: sources[row].width * sources[row].height)
    else:
        rows: list[int] = np.random.default_rng([seed, len(sources)]).permutation(len(sources)).tolist()
    return tuple(sources[row] for row in sorted(rows[: scale.sources]))


def _enough(looks: Sequence[Look], scale: Scale) -> tuple[Scene, ...]:
    family = footage.families(looks)
    scenes: tuple[Scene, ...] = ()
    for parts in (1, 2, 4):
        scenes = footage.scenes(looks, family, parts=parts)
        if not _short(scenes, scale):
            break
    return scenes


def _short(scenes: Sequence[Scene], scale: Scale) -> bool:
    return len(scenes) < scale.scenes
