"""What each part of the re-identification solution brings: variants of one recipe, trained, and judged in the sandbox.

    podium data make whale-do DATA --size small
    python benchmarks/reidentification.py --data DATA --out OUT [--at-once 2]

Prints mAP@20 with its interval for the starter, the untrained baseline, the recipe, and the recipe without each part in
turn. About 8 minutes of one core a training; what OUT already holds is not done again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from podium.types import Report

RECIPE = "reidentification/small"
VARIANTS: dict[str, tuple[str, ...]] = {
    "recipe": (),
    "no margin": ("head.margin.kind=fixed", "head.margin.value=0"),
    "one centre a class": ("head.centres=1",),
    "mean pooling instead of GeM": ("network.pooling=mean",),
    "no mirroring at all": ("augmentation.flip=none", "inference.flip=false"),
}
REUSED = {"mirrored when training only": "flip=false"}
TEMPLATES = {"starter": "starter", "pretrained, not trained": "baseline"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", default=RECIPE)
    parser.add_argument("--at-once", type=int, default=1, help="trainings side by side, one thread each when above 1")
    asked = parser.parse_args()
    names = [*TEMPLATES, *VARIANTS, *REUSED]
    with ThreadPoolExecutor(asked.at_once) as pool:
        reports = list(pool.map(lambda name: judged(name, asked), names[: -len(REUSED)]))
    reports += [judged(name, asked) for name in REUSED]
    print(f"{'method':30} {'mAP@20':>8} {'95 % interval':>19}")
    for name, report in zip(names, reports, strict=True):
        if report.score is None or report.score.interval is None:
            sys.exit(f"{name}: {report.verdict.value}: {report.message}")
        low, high = report.score.interval
        print(f"{name:30} {report.score.value:8.4f} {low:9.4f} – {high:.4f}")


def judged(name: str, asked: argparse.Namespace) -> Report:
    """The report of one method, made where OUT does not hold it yet."""
    folder: Path = asked.out / name.replace(" ", "-").replace(",", "")
    if not (folder / "run" / "report.json").is_file():
        submission = made(name, folder, asked)
        podium(asked, "run", "whale-do", submission, "--data", asked.data, "--out", folder / "run")
    return Report.from_json((folder / "run" / "report.json").read_bytes())


def made(name: str, folder: Path, asked: argparse.Namespace) -> Path:
    """The submission of one method."""
    if name in TEMPLATES:
        into = folder / "submission"
        podium(asked, "new", "whale-do", into, "--from", TEMPLATES[name], "--data", asked.data)
        return into
    if name in REUSED:
        model = f"model={asked.out / 'recipe' / 'model_assets'}"
        words = ("--data", asked.data, "--set", model, "--set", REUSED[name])
        podium(asked, "new", "whale-do", folder / "submission", "--from", "baseline", *words)
        return folder / "submission"
    changes = [word for each in VARIANTS[name] for word in ("--set", each)]
    resume = ["--resume"] if (folder / "checkpoints" / "last.ckpt").is_file() else []
    podium(asked, "train", asked.recipe, "--data", asked.data, "--out", folder, *changes, *resume)
    return folder / "submission"


def podium(asked: argparse.Namespace, *words: object) -> None:
    """Runs the command, quietly unless it fails."""
    environment = dict(os.environ) | ({"OMP_NUM_THREADS": "1"} if asked.at_once > 1 else {})
    done = subprocess.run(
        [sys.executable, "-m", "podium", *map(str, words)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"podium {' '.join(map(str, words))} ended with {done.returncode}:\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
