"""CPU seconds to take one picture a second out of 720p video: Podium, ffmpeg's own decoding limit, ffmpeg to PNG files.

    python benchmarks/decode.py --media FOLDER [--pattern "sam2_*.mp4"] [--loop 6] [--rounds 5]

All ways take turns on the same clips in one run. A figure is user plus system CPU time for one pass over all clips; the
ratios are taken within a round and their median is printed. ffmpeg starts one process a clip. Podium's figure is given
three times: inside a process that lives on (as when many videos are read), for one process over all clips with the
interpreter's start and the imports, and for one process a clip with them. Ratios to ffmpeg are given as measured and
with ffmpeg's own start (opening each clip and decoding one picture) taken off.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from podium.media import sampling, source, video

PROGRAM = "import sys; from podium.media import video; [video.sample(each) for each in sys.argv[1:]]"


def cpu_seconds() -> float:
    """User and system time of this process and of its children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in both)


def ffmpeg(*arguments: str) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments], check=True)


def inside(clips: Sequence[Path]) -> None:
    for clip in clips:
        video.sample(clip)


def inside_small(clips: Sequence[Path]) -> None:
    for clip in clips:
        video.sample(clip, short_edge=320)


def inside_everything_decoded(clips: Sequence[Path]) -> None:
    for clip in clips:
        with source.opened(clip) as opened:
            sampling._decode_all(opened, None, Fraction(1), None, source.Converter())


def one_process(clips: Sequence[Path]) -> None:
    subprocess.run([sys.executable, "-c", PROGRAM, *map(str, clips)], check=True)


def process_each(clips: Sequence[Path]) -> None:
    for clip in clips:
        one_process([clip])


def limit(clips: Sequence[Path]) -> None:
    for clip in clips:
        ffmpeg("-threads", "1", "-i", str(clip), "-map", "0:v:0", "-f", "null", "-")


def start(clips: Sequence[Path]) -> None:
    for clip in clips:
        ffmpeg("-threads", "1", "-i", str(clip), "-map", "0:v:0", "-frames:v", "1", "-f", "null", "-")


def through_png(clips: Sequence[Path]) -> None:
    for clip in clips:
        with tempfile.TemporaryDirectory() as folder:
            ffmpeg("-i", str(clip), "-vf", "fps=1", f"{folder}/%05d.png")
            for path in sorted(Path(folder).iterdir()):
                with Image.open(path) as image:
                    np.array(image.convert("RGB"))


WAYS: dict[str, Callable[[Sequence[Path]], None]] = {
    "Podium, full size, process lives on": inside,
    "Podium, short edge 320, process lives on": inside_small,
    "Podium, every picture decoded": inside_everything_decoded,
    "Podium, one new process for all clips": one_process,
    "Podium, one new process a clip": process_each,
    "ffmpeg -threads 1 -f null": limit,
    "ffmpeg, open and one picture": start,
    "ffmpeg fps=1 to PNG, read with PIL": through_png,
}
OURS = [each for each in WAYS if each.startswith("Podium")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--pattern", default="sam2_*.mp4")
    parser.add_argument("--loop", type=int, default=6, help="play each clip so often, copied without encoding")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found = sorted(options.media.glob(options.pattern))
    if not found or shutil.which("ffmpeg") is None:
        sys.exit("this needs ffmpeg and clips that match the pattern")
    with tempfile.TemporaryDirectory() as folder:
        clips = [Path(folder) / each.name for each in found]
        for given, clip in zip(found, clips, strict=True):
            ffmpeg("-stream_loop", str(options.loop - 1), "-i", str(given), "-map", "0:v:0", "-c", "copy", str(clip))
        measure(clips, options.rounds)


def measure(clips: Sequence[Path], rounds: int) -> None:
    seconds = sum(video.probe(each).duration_seconds for each in clips)
    print(f"{len(clips)} clips, {seconds:.0f} s of video, {rounds} rounds\n")
    spent: dict[str, list[float]] = {name: [] for name in WAYS}
    for number in range(rounds):
        names = list(WAYS) if number % 2 == 0 else list(reversed(WAYS))
        for name in names:
            before = cpu_seconds()
            WAYS[name](clips)
            spent[name].append(cpu_seconds() - before)
    print("| way | CPU s, median | least | most | of -f null | of -f null less its start | PNG way takes |")
    print("|---|---|---|---|---|---|---|")
    null, began, png = (spent[each] for each in list(WAYS)[-3:])
    for name, figures in spent.items():
        row = [f"{statistics.median(figures):.2f}", f"{min(figures):.2f}", f"{max(figures):.2f}"]
        if name in OURS:
            row.append(f"{middle([a / b for a, b in zip(figures, null, strict=True)]):.2f}")
            row.append(f"{middle([a / (b - c) for a, b, c in zip(figures, null, began, strict=True)]):.2f}")
            row.append(f"{middle([b / a for a, b in zip(figures, png, strict=True)]):.2f} x")
        print("| " + " | ".join([name, *row, *[""] * (6 - len(row))]) + " |")


def middle(ratios: Sequence[float]) -> float:
    return statistics.median(ratios)


if __name__ == "__main__":
    main()
