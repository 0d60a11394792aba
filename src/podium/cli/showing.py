"""`podium report` and `podium rank`."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from podium.challenges import challenge as find_challenge
from podium.challenges import challenges
from podium.cli import talk
from podium.cli.options import data_option, json_option, path_argument, print_json
from podium.errors import UsageError
from podium.leaderboard import Row, rank
from podium.types import Challenge, DataSet, Gallery, PairMap, Report, Verdict

if TYPE_CHECKING:
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
@click.option("--open/--no-open", "opens", default=True, help="Open the page in a browser.")
def report_command(folder: Path, data: Path | None, submission: Path | None, queries: int, opens: bool) -> None:
    """Write the page that shows why a score is what it is, and open it.

    RUN may also be the folder of a training, or of a sequence of trainings: the page then shows how it learned and how
    far its probabilities may be trusted.
    """
    if submission is not None and data is None:
        raise UsageError("`--explain` needs the images: add `--data DIR`")
    page = _write_training(folder)
    if page is None:
        opened = None if data is None else DataSet(data)
        page = write_page(folder, opened, submission=submission, most_queries=queries)
    click.echo(page)
    if opens:
        webbrowser.open(page.resolve().as_uri())


def _write_training(folder: Path) -> Path | None:
    """The page of a training's folder; None where it is the folder of a run."""
    from podium.report import training

    if (folder / "report.json").is_file() or not training.is_training(folder):
        return None
    return training.write(folder, progress=talk.progress)


def write_page(folder: Path, data: DataSet | None, *, submission: Path | None = None, most_queries: int = 400) -> Path:
    """Writes `report.html` beside `report.json`, and `gallery.html` where the challenge ranks images.

    Args:
        submission: Carries the model that says where pairs agree; None leaves the maps out.
    """
    from podium import report as pages

    told = read(folder)
    folder = folder.resolve()
    found = challenges().get(told.challenge)
    gallery = ""
    if found is not None and data is not None and told.verdict is Verdict.SCORED:
        gallery = _write_gallery(found, told, folder, data, submission=submission, most_queries=most_queries)
    return pages.write(told, folder, data=data, gallery=gallery)


def _write_gallery(
    found: Challenge, told: Report, folder: Path, data: DataSet, *, submission: Path | None, most_queries: int
) -> str:
    """The gallery's name, or empty where the challenge has none or the predictions are gone."""
    from podium.report import gallery
    from podium.report.thumbnails import within

    predictions = folder / "predictions"
    if found.galleries is None or not predictions.is_dir():
        return ""
    reading = found.read_predictions(predictions, data, phase=found.phase(told.phase), parity=told.parity)
    if reading.predictions is None:
        return ""
    every = tuple(found.galleries(reading.predictions, data))
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
    return gallery.write(every, folder / gallery.PAGE, locate=locate, options=options, progress=talk.progress).name


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


@click.command("rank", epilog="\b\nExample:\n  podium rank runs/*")
@click.argument("folders", metavar="RUN...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@json_option
def rank_command(folders: tuple[Path, ...], as_json: bool) -> None:
    """Rank the reports of several runs of one challenge on one data set."""
    rows = ranked([read(each) for each in folders])
    if as_json:
        print_json(rows)
    else:
        show(rows)


def ranked(reports: list[Report]) -> tuple[Row, ...]:
    """The ranking of some reports."""
    metric = find_challenge(reports[0].challenge).metric
    return rank(reports, metric)


def show(rows: tuple[Row, ...]) -> None:
    """A ranking as a table on stdout."""
    talk.table(
        ("rank", "submission", "score", "95 % interval", "run", ""),
        (
            (
                str(each.rank),
                each.name,
                f"{each.value:.4f}",
                f"{each.interval.low:.4f} – {each.interval.high:.4f}" if each.interval else "",
                talk.seconds(each.wall_seconds),
                "not told apart from the first" if each.tied_with_first else "",
            )
            for each in rows
        ),
    )


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
