"""`podium report` and `podium rank`."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from podium.challenges import challenge as find_challenge
from podium.cli import talk
from podium.cli.options import data_option, json_option, path_argument, print_json
from podium.errors import UsageError
from podium.leaderboard import Row, rank
from podium.types import DataSet, Report


@click.command("report", epilog="\b\nExample:\n  podium report runs/first --data data/vsc")
@path_argument("folder", "RUN")
@data_option(required=False, text="The data set, for the strips of frames.")
@click.option("--open/--no-open", "opens", default=True, help="Open the page in a browser.")
def report_command(folder: Path, data: Path | None, opens: bool) -> None:
    """Write the page that shows why a score is what it is, and open it."""
    page = write_page(folder, None if data is None else DataSet(data))
    click.echo(page)
    if opens:
        webbrowser.open(page.as_uri())


def write_page(folder: Path, data: DataSet | None) -> Path:
    """Writes `report.html` beside `report.json`."""
    from podium import report

    return report.write(read(folder), folder.resolve(), data=data)


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
        UsageError: There is none.
    """
    path = folder / "report.json" if folder.is_dir() else folder
    if not path.is_file():
        raise UsageError(f"`{folder}` has no `report.json`; `podium run … --out {folder}` writes one")
    return Report.from_json(path.read_bytes())
