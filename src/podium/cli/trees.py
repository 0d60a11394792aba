"""`podium score-tree`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from podium.cli import talk
from podium.cli.options import json_option, print_json
from podium.errors import UsageError

if TYPE_CHECKING:
    from podium.challenges.davis.trees import TreeScore
    from podium.metrics.sequences import Statistics

# As in `podium.challenges.davis.trees`, which is imported only when the command runs.
_PROTOCOLS = ("2016", "2017-semi-supervised", "2017-unsupervised")
_COLUMNS = ("J mean", "J recall", "J decay", "F mean", "F recall", "F decay")
_MOST_LIST_BYTES = 1 << 20

_folder = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    "score-tree",
    epilog="\b\nExample:\n  podium score-tree DAVIS/Annotations/480p results --protocol 2016 "
    "--sequences DAVIS/ImageSets/480p/val.txt --out tables",
)
@click.argument("annotations", metavar="ANNOTATIONS", type=_folder)
@click.argument("results", metavar="RESULTS", type=_folder)
@click.option(
    "--protocol",
    "protocol_name",
    type=click.Choice(_PROTOCOLS),
    required=True,
    help="Which DAVIS rules: any object, objects by id, or objects by best assignment.",
)
@click.option(
    "--sequences",
    "listed",
    metavar="LIST",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of sequence names, one a line, or DAVIS's own list of frames.  [default: all that are annotated]",
)
@click.option("--out", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="Write CSV tables there.")
@json_option
def score_tree_command(
    annotations: Path, results: Path, protocol_name: str, listed: Path | None, out: Path | None, as_json: bool
) -> None:
    """Score a tree of masks as DAVIS does: J and F, their means, recalls and decays.

    ANNOTATIONS and RESULTS hold a folder of PNG masks for each sequence. The tables that `--out` gets are those of the
    official program.
    """
    from podium.challenges.davis.trees import Protocol, judge_tree

    names = None if listed is None else read_list(listed)
    judged = judge_tree(annotations, results, Protocol(protocol_name), sequences=names, progress=talk.progress)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for path in judged.write(out, name="val" if listed is None else listed.stem):
            talk.say(f"wrote `{path}`")
    if as_json:
        print_json(_told(judged))
    else:
        _show(judged)


def read_list(path: Path) -> tuple[str, ...]:
    """The sequences that a list names, each once, in its order.

    A line is a name, or the path of a frame and of its mask as in ``ImageSets/480p/val.txt``; the folder of the first
    path is the name then. Empty lines play no part.

    Raises:
        UsageError: The file is too large, is no text, or names nothing.
    """
    with path.open("rb") as stream:
        raw = stream.read(_MOST_LIST_BYTES + 1)
    if len(raw) > _MOST_LIST_BYTES:
        raise UsageError(f"`{path}` has more than `{_MOST_LIST_BYTES:,}` bytes; one name a line is needed")
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"`{path}` is no text; one name a line is needed") from error
    firsts = [line.split()[0] for line in lines if line.strip()]
    names = tuple(dict.fromkeys(each.split("/")[-2] if "/" in each else each for each in firsts))
    if not names:
        raise UsageError(f"`{path}` names no sequence; one name a line is needed")
    return names


def _show(judged: TreeScore) -> None:
    rows = [(each.name, *_cells(each.region), *_cells(each.boundary)) for each in judged.tracks]
    talk.table(("sequence", *_COLUMNS), [*rows, ("mean", *_cells(judged.region), *_cells(judged.boundary))])
    protocol = judged.protocol
    click.echo(f"DAVIS {protocol.value}: {protocol.summary}")
    click.echo(f"J&F {judged.both:.4f}  J {judged.region.mean:.4f}  F {judged.boundary.mean:.4f}")


def _cells(part: Statistics) -> tuple[str, str, str]:
    return f"{part.mean:.4f}", f"{part.recall:.4f}", f"{part.decay:.4f}"


def _told(judged: TreeScore) -> dict[str, Any]:
    return {
        "protocol": judged.protocol.value,
        "rule": judged.protocol.summary,
        "J&F": judged.both,
        "J": judged.region,
        "F": judged.boundary,
        "tracks": [
            {
                "name": each.name,
                "sequence": each.sequence,
                "annotation": each.annotation,
                "prediction": each.prediction,
                "J": each.region,
                "F": each.boundary,
            }
            for each in judged.tracks
        ],
    }
