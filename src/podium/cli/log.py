"""`podium log`: results in Weights & Biases, in the contest's form."""

from __future__ import annotations

from pathlib import Path

import click

from podium.cli import talk
from podium.cli.options import data_option, json_option, path_argument, print_json
from podium.errors import UsageError
from podium.evaluate.arguments import open_data
from podium.types import Report, Verdict

EXAMPLE = """\b
Example:
  podium run davis my_solution --data data/davis --out runs/first
  podium log runs/first --data data/davis --project davis --offline
  wandb sync wandb/offline-run-*
"""


@click.command("log", epilog=EXAMPLE)
@path_argument("folder", "RUN_OR_RESULT")
@data_option()
@click.option("--project", metavar="NAME", required=True, help="In Weights & Biases.")
@click.option("--entity", metavar="NAME", help="The person or team that the project belongs to.")
@click.option("--offline", is_flag=True, help="Write a folder that `wandb sync` sends later; needs no network.")
@click.option("--name", metavar="NAME", help="Of the result.  [default: `davis-` and the split]")
@click.option("--split", type=click.Choice(["val", "test"]), default="val", show_default=True, help="What it is for.")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Gets W&B's files.  [default: wandb/]")
@json_option
def log_command(
    folder: Path,
    data: Path,
    project: str,
    entity: str | None,
    offline: bool,
    name: str | None,
    split: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Log a result of `davis` to Weights & Biases: the masks, and, where answers are known, how well each frame does.

    RUN_OR_RESULT is a folder that `podium run` wrote, or one that holds `paths.json`, `metadata.json` and masks.
    """
    from podium.challenges.davis import tracking

    opened = open_data(data)
    to = tracking.Destination(project=project, entity=entity, mode="offline" if offline else "online", folder=out)
    named: tracking.Split = "test" if split == "test" else "val"
    called = name or f"davis-{named}"
    tracking.check_name(called)
    result = tracking.read_result(_result_folder(folder), opened)
    logged = [tracking.log_result(result, to=to, name=called, split=named)]
    if (opened.answers / "paths.json").is_file():
        logged.append(tracking.log_evaluation(result, to=to, name=called, split=named))
    else:
        talk.warning(f"`{opened.answers}` has no answers, so the frames are not judged")
    if as_json:
        print_json(logged)
        return
    talk.table(
        ("artifact", "files", "run"),
        ((each.artifact, str(len(each.entries)), str(each.url or each.folder)) for each in logged),
    )
    if offline:
        talk.say(f"send it with `wandb sync {' '.join(str(each.folder) for each in logged)}`")


def _result_folder(folder: Path) -> Path:
    """Where the masks of a run lie, or the folder itself.

    Raises:
        UsageError: The run is of another challenge, or left nothing that can be judged.
    """
    path = folder / "report.json"
    if not path.is_file():
        return folder
    report = Report.from_json(path.read_bytes())
    if report.challenge != "davis":
        raise UsageError(f"`{folder}` is a run of `{report.challenge}`; only those of `davis` are logged")
    if report.verdict is not Verdict.SCORED:
        raise UsageError(f"the run in `{folder}` is `{report.verdict.value}`: {report.message}")
    return folder / "predictions"
