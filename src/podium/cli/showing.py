"""`podium report` and `podium rank`."""

from __future__ import annotations

import webbrowser
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from podium.challenges import challenge as find_challenge
from podium.challenges import challenges
from podium.cli import talk
from podium.cli.options import data_option, json_option, path_argument, print_json
from podium.errors import UsageError
from podium.leaderboard import Row, rank
from podium.types import Challenge, DataSet, Gallery, MaskedSequence, PairMap, Report, Verdict

if TYPE_CHECKING:
    from podium.report import Neighbour
    from podium.report.gallery import Pair
    from podium.report.thumbnails import Locate


@click.command(
    "report",
    epilog="\b\nExample:\n  podium report runs/first --data data/whales --explain my_solution\n"
    "  podium report trainings/segments",
)
@path_argument("folder", "RUN")
@data_option(required=False, text="The data set, for the frames and the gallery.")
@click.option(
    "--explain",
    "submission",
    metavar="SUBMISSION",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A submission folder with a model that Podium knows: the gallery then shows where pairs agree.",
)
@click.option("--queries", default=400, show_default=True, help="Queries in the gallery, at most.")
@click.option("--videos/--no-videos", default=True, help="Write an overlay video of each segmented clip.")
@click.option("--open/--no-open", "opens", default=True, help="Open the page in a browser.")
def report_command(
    folder: Path, data: Path | None, submission: Path | None, queries: int, videos: bool, opens: bool
) -> None:
    """Write the page that shows why a score is what it is, and open it.

    RUN may also be the folder of a training, or of a sequence of trainings: the page then shows how it learned and how
    far its probabilities may be trusted.
    """
    if submission is not None and data is None:
        raise UsageError("`--explain` needs the images: add `--data DIR`")
    page = _write_training(folder)
    if page is None:
        opened = None if data is None else DataSet(data)
        page = write_page(folder, opened, submission=submission, most_queries=queries, videos=videos)
    click.echo(page)
    if opens:
        webbrowser.open(page.resolve().as_uri())


def _write_training(folder: Path) -> Path | None:
    """The page of a training's folder; None where it is the folder of a run."""
    from podium.report import training

    if (folder / "report.json").is_file() or not training.is_training(folder):
        return None
    return training.write(folder, progress=talk.progress)


def write_page(
    folder: Path,
    data: DataSet | None,
    *,
    submission: Path | None = None,
    most_queries: int = 400,
    videos: bool = True,
) -> Path:
    """Writes `report.html` beside `report.json`, and what the challenge has to show of single items.

    That is `gallery.html` where it ranks images, and `sequences.html` with overlay videos where it segments clips.

    Args:
        submission: Carries the model that says where pairs agree; None leaves the maps out.
        most_queries: In the gallery.
        videos: Write overlay videos.
    """
    from podium import report as pages

    told = read(folder)
    folder = folder.resolve()
    found = challenges().get(told.challenge)
    neighbours: list[Neighbour] = []
    if found is not None and data is not None and told.verdict is Verdict.SCORED:
        predictions = _predictions(found, told, folder, data)
        if predictions is not None and found.galleries is not None:
            every = tuple(found.galleries(predictions, data))
            page = _write_gallery(found, every, told, folder, data, submission=submission, most_queries=most_queries)
            neighbours.append(pages.Neighbour(label="Gallery, query by query", target=page.name))
        if predictions is not None and found.sequences is not None:
            page = _write_sequences(found.sequences(predictions, data), told, folder, data, videos=videos)
            neighbours.append(pages.Neighbour(label="Clips, frame by frame", target=page.name))
    return pages.write(told, folder, data=data, neighbours=neighbours)


def _predictions(found: Challenge, told: Report, folder: Path, data: DataSet) -> Any:
    """The predictions of a run; None where they are gone or the challenge shows nothing of single items."""
    predictions = folder / "predictions"
    if (found.galleries is None and found.sequences is None) or not predictions.is_dir():
        return None
    return found.read_predictions(predictions, data, phase=found.phase(told.phase), parity=told.parity).predictions


def _write_sequences(
    sequences: Iterable[MaskedSequence], told: Report, folder: Path, data: DataSet, *, videos: bool
) -> Path:
    from podium.report import sequences as page

    options = page.Options(
        title=told.submission_name or "Unnamed submission",
        eyebrow=f"Podium clips · {told.challenge}@{told.challenge_version}",
        lead="Each clip with truth, prediction and errors drawn in, the worst clip first.",
        metric=told.score.metric if told.score else "",
        videos=videos,
        back="report.html",
    )
    return page.write(sequences, folder / page.PAGE, data=data, options=options, progress=talk.progress)


def _write_gallery(
    found: Challenge,
    every: tuple[Gallery, ...],
    told: Report,
    folder: Path,
    data: DataSet,
    *,
    submission: Path | None,
    most_queries: int,
) -> Path:
    from podium.report import gallery
    from podium.report.thumbnails import within

    locate = within(data)
    options = gallery.Options(
        title=told.submission_name or "Unnamed submission",
        eyebrow=f"Podium gallery · {told.challenge}@{told.challenge_version}",
        lead="Each query beside its ranked images, the worst query first.",
        metric="AP",
        maps=_maps(found, every, submission, locate, most_queries=most_queries),
        most_queries=most_queries,
        back="report.html",
    )
    return gallery.write(every, folder / gallery.PAGE, locate=locate, options=options, progress=talk.progress)


def _maps(
    found: Challenge, every: tuple[Gallery, ...], submission: Path | None, locate: Locate, *, most_queries: int
) -> dict[Pair, PairMap]:
    from podium.report import gallery

    if submission is None:
        return {}
    if found.explain is None:
        raise UsageError(f"`{found.id}` has no model that could explain a pair; leave `--explain` out")
    pairs = gallery.pairs_to_explain(gallery.chosen(every, most=most_queries))
    maps = found.explain(submission, [(locate(query), locate(other)) for query, other in pairs], progress=talk.progress)
    return dict(zip(pairs, maps, strict=True))


@click.command("rank", epilog="\b\nExample:\n  podium rank runs/*\n  podium rank runs/* -o ranking.html")
@click.argument("folders", metavar="RUN...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o",
    "--out",
    "page",
    metavar="PAGE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page too: the table, and the score against what it costs.",
)
@json_option
def rank_command(folders: tuple[Path, ...], page: Path | None, as_json: bool) -> None:
    """Rank the reports of several runs of one challenge on one data set."""
    reports = [read(each) for each in folders]
    rows = ranked(reports)
    if page is not None:
        from podium.report import ranking

        found = find_challenge(reports[0].challenge)
        ranking.write(reports, page, challenge=found, limits=dict(found.column_limits))
        talk.say(f"wrote `{page}`")
    if as_json:
        print_json(rows)
    else:
        show(rows)


def ranked(reports: list[Report]) -> tuple[Row, ...]:
    """The ranking of some reports."""
    found = find_challenge(reports[0].challenge)
    return rank(reports, found.metric, columns=found.columns)


def show(rows: tuple[Row, ...]) -> None:
    """A ranking as a table on stdout; a column that no row has is left out."""
    names = [name for name, _ in rows[0].columns] if rows else []
    shown = [name for name in names if any(dict(each.columns)[name] is not None for each in rows)]
    talk.table(
        ("rank", "submission", "score", "95 % interval", *shown, "run", ""),
        (
            (
                str(each.rank),
                each.name,
                f"{each.value:.4f}",
                f"{each.interval.low:.4f} – {each.interval.high:.4f}" if each.interval else "",
                *(amount(dict(each.columns)[name]) for name in shown),
                talk.seconds(each.wall_seconds),
                "not told apart from the first" if each.tied_with_first else "",
            )
            for each in rows
        ),
    )


def amount(value: float | None) -> str:
    """A measure of any size to read: whole numbers in full up to a thousand million, then with a letter.

    >>> amount(1_234_567.0), amount(1.904e9), amount(0.03125), amount(None)
    ('1,234,567', '1.90 G', '0.0312', '-')
    """
    if value is None:
        return "-"
    for letter, size in (("T", 1e12), ("G", 1e9)):
        if abs(value) >= size:
            return f"{value / size:.2f} {letter}"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1e4 else f"{value:.3g}"


def read(folder: Path) -> Report:
    """The report of a run's folder, or of a report file.

    Raises:
        UsageError: There is none, or it is no report.
    """
    path = folder / "report.json" if folder.is_dir() else folder
    if not path.is_file():
        raise UsageError(f"`{folder}` has no `report.json`; `podium run … --out {folder}` writes one")
    try:
        return Report.from_json(path.read_bytes())
    except UsageError as error:
        raise UsageError(f"`{path}`: {error}") from error
