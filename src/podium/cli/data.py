"""`podium data`: make, import, check, cut, split or rehearse a data set."""

from __future__ import annotations

import os
from pathlib import Path

import click

from podium.challenges import challenge as find_challenge
from podium.cli import talk
from podium.cli.options import challenge_argument, json_option, path_argument, print_json
from podium.errors import UsageError
from podium.types import DataRequest, DataSet, Severity

_NOTES = "notes.txt"
_SEED = click.IntRange(0)
_drawn_seed = click.option("--seed", default=0, show_default=True, type=_SEED, help="Seed of everything that is drawn.")


@click.group("data", epilog="\b\nExample:\n  podium data make vsc-descriptor data/vsc --media my_videos --size base")
def data_command() -> None:
    """Make, import, check, cut, split or rehearse a data set."""


@data_command.command("make", epilog="\b\nExample:\n  podium data make vsc-descriptor data/vsc --media my_videos")
@challenge_argument
@path_argument("into", "DIR", exists=False)
@click.option(
    "--media",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Your own material: videos and photos, or a folder of photos for each individual; without it, what ships in "
    "packages or is drawn.",
)
@click.option(
    "--size",
    type=click.Choice(["tiny", "small", "base", "full"]),
    default="small",
    show_default=True,
    help="How much to make; `full`, as much as the official set has, only for yt8m-segments.",
)
@click.option(
    "--difficulty",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="0: easiest; 0.5: like the real set; 1: hardest.",
)
@_drawn_seed
@click.option("--workers", default=os.cpu_count() or 1, show_default="all processors", help="Processes to use.")
def make(
    challenge_id: str, into: Path, media: Path | None, size: str, difficulty: float, seed: int, workers: int
) -> None:
    """A labelled data set out of videos and photos, your own or built in."""
    found = find_challenge(challenge_id)
    request = DataRequest(into=into, media=media, size=size, difficulty=difficulty, seed=seed, workers=workers)
    made = found.make_data(request, progress=talk.progress)
    talk.say(f"data set: `{made.root}`")


@data_command.command("import", epilog="\b\nExample:\n  podium data import vsc-descriptor competition_data data/vsc")
@challenge_argument
@path_argument("download", "DOWNLOAD")
@path_argument("into", "DIR", exists=False)
def bring(challenge_id: str, download: Path, into: Path) -> None:
    """The official download, checked, in Podium's layout."""
    made = find_challenge(challenge_id).import_data(download, into, progress=talk.progress)
    notes = made.root / _NOTES
    for line in notes.read_text(encoding="utf-8").splitlines() if notes.is_file() else ():
        talk.say(f"  {line}")
    talk.say(f"data set: `{made.root}`")


@data_command.command("check", epilog="\b\nExample:\n  podium data check vsc-descriptor data/vsc")
@challenge_argument
@path_argument("data", "DIR")
@json_option
def check(challenge_id: str, data: Path, as_json: bool) -> int:
    """Every fault of a data set: broken tables, missing or changed files, labels where they must not be."""
    problems = find_challenge(challenge_id).check_data(DataSet(data))
    if as_json:
        print_json(problems)
    else:
        talk.problems(problems)
        talk.say(
            "the data set is good" if not problems else f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        )
    return 3 if any(each.severity is Severity.ERROR for each in problems) else 0


@data_command.command("subset", epilog="\b\nExample:\n  podium data subset vsc-descriptor data/vsc data/vsc-1pc")
@challenge_argument
@path_argument("data", "DIR")
@path_argument("into", "OUT", exists=False)
@click.option("--proportion", default=0.01, show_default=True, help="Of the queries.")
@click.option("--seed", default=42, show_default=True, type=_SEED, help="Of the draw; 42 is the official one.")
def subset(challenge_id: str, data: Path, into: Path, proportion: float, seed: int) -> None:
    """The same data set with fewer queries for the code, drawn the official way where there is one."""
    made = find_challenge(challenge_id).subset_data(DataSet(data), into, proportion=proportion, seed=seed)
    talk.say(f"data set: `{made.root}`")


@data_command.command("split", epilog="\b\nExample:\n  podium data split davis data/davis data/davis-2 --seed 7")
@challenge_argument
@path_argument("data", "DIR")
@path_argument("into", "OUT", exists=False)
@click.option("--share", default=0.8, show_default=True, help="Of the clips that go to training; the rest is held out.")
@click.option("--seed", default=42, show_default=True, type=_SEED, help="Of the draw.")
def split(challenge_id: str, data: Path, into: Path, share: float, seed: int) -> None:
    """The same data set with other clips held out of what there is to learn from; clips stay whole."""
    split_data = find_challenge(challenge_id).split_data
    if split_data is None:
        raise UsageError(f"the data of `{challenge_id}` cannot be split: it comes with what is to be held out")
    made = split_data(DataSet(data), into, share=share, seed=seed)
    talk.say(f"data set: `{made.root}`")


@data_command.command("rehearse", epilog="\b\nExample:\n  podium data rehearse davis data/davis data/davis-rehearsal")
@challenge_argument
@path_argument("data", "DIR")
@path_argument("into", "OUT", exists=False)
@_drawn_seed
def rehearse(challenge_id: str, data: Path, into: Path, seed: int) -> None:
    """A twin of the test set to dry-run with: the same names and sizes, random content. A score on it means nothing."""
    rehearse_data = find_challenge(challenge_id).rehearse_data
    if rehearse_data is None:
        raise UsageError(f"`{challenge_id}` has no rehearsal; to dry-run, cut the data down: `podium data subset`")
    made = rehearse_data(DataSet(data), into, seed=seed, progress=talk.progress)
    talk.say(f"data set: `{made.root}`")
