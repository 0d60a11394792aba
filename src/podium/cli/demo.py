"""`podium demo`: the whole job on real material."""

from __future__ import annotations

import importlib.util
import os
import webbrowser
from pathlib import Path

import click

from podium.challenges import challenge as find_challenge
from podium.cli import showing, talk
from podium.cli.judging import show_log, tell
from podium.cli.options import seed_option
from podium.cli.submission import create
from podium.errors import UsageError
from podium.formats import archives
from podium.types import Challenge, DataRequest, DataSet, Report, Template


@click.command("demo", epilog="\b\nExample:\n  podium demo vsc-descriptor --media my_videos")
@click.argument("challenge_id", metavar="[ID]", default="vsc-descriptor")
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder to make.")
@click.option(
    "--media",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Your own videos and photos instead of what is built in.",
)
@click.option("--size", type=click.Choice(["tiny", "small", "base"]), default="small", show_default=True)
@click.option("--open/--no-open", "opens", default=False, help="Open the report in a browser at the end.")
@seed_option
def demo_command(challenge_id: str, out: Path, media: Path | None, size: str, opens: bool, seed: int) -> int:
    """Data, submissions, sandboxed runs, scores, ranking, report: all in one go."""
    found = find_challenge(challenge_id)
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"`{out}` is not an empty folder; name another with `--out`")
    talk.step(f"making a labelled data set for `{found.id}`")
    request = DataRequest(into=out / "data", media=media, size=size, seed=seed, workers=os.cpu_count() or 1)
    data = found.make_data(request, progress=talk.progress)
    shown = [each for each in found.templates if each.in_demo and _possible(each)]
    reports = [_submit(found, each, data, out, seed=seed) for each in shown]
    talk.step("ranking")
    showing.show(showing.ranked(reports))
    best = out / "runs" / shown[-1].name / "report.html"
    click.echo(f"report: {best}")
    if opens:
        webbrowser.open(best.resolve().as_uri())
    return 0


def _possible(template: Template) -> bool:
    if template.name != "baseline" or importlib.util.find_spec("torch") is not None:
        return True
    talk.warning("the baseline needs torch, which is not installed: `pip install 'podium[torch,demo]'`")
    return False


def _submit(found: Challenge, template: Template, data: DataSet, out: Path, *, seed: int) -> Report:
    from podium import evaluate

    talk.step(f"{template.name}: {template.summary}")
    folder, runs = out / "submissions" / template.name, out / "runs" / template.name
    create(template, folder, data=data, seed=seed)
    packed = archives.pack(folder, folder.with_suffix(".zip"))
    talk.say(
        f"packed {len(packed.files)} files, {talk.size(packed.size_bytes)}; running it in a sandbox without network"
    )
    report = evaluate.run(found, packed.path, data=data, out=runs, on_log=show_log)
    tell(report, as_json=False)
    showing.write_page(runs, data)
    return report
