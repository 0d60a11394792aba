"""`podium new` and `podium pack`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import click

from podium.challenges import challenge as find_challenge
from podium.cli import talk
from podium.cli.options import challenge_argument, data_option, json_option, path_argument, print_json, seed_option
from podium.errors import UsageError
from podium.evaluate.arguments import open_data
from podium.formats import archives
from podium.types import DataSet, Template


@click.command("new", epilog="\b\nExample:\n  podium new vsc-descriptor my_solution --from baseline --data data/vsc")
@challenge_argument
@path_argument("into", "DIR", exists=False)
@click.option(
    "--from", "template_name", default="starter", show_default=True, help="A template: `podium show ID` lists them."
)
@data_option(required=False, text="Fill in what the template fits or uploads for this data set.")
@click.option("--weights", help="Of the baseline: a TorchScript, safetensors or checkpoint file, or `timm:NAME`.")
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Another option of the template.")
@seed_option
def new_command(
    challenge_id: str,
    into: Path,
    template_name: str,
    data: Path | None,
    weights: str | None,
    settings: tuple[str, ...],
    seed: int,
) -> None:
    """A submission folder to edit."""
    options = parse(settings) | ({"weights": weights} if weights else {})
    template = find_challenge(challenge_id).template(template_name)
    if options and template.prepare is None:
        raise UsageError(f"the template `{template_name}` has no options; leave `--weights` and `--set` out")
    if options and data is None:
        raise UsageError("`--weights` and `--set` fit the template to a data set: add `--data DIR`")
    opened = None if data is None else open_data(data)
    create(template, into, data=opened, options=options, seed=seed)
    talk.say(f"submission: `{into}`")
    if data is None and template.prepare is not None:
        talk.warning(f"`{template_name}` is not yet fitted to a data set; add `--data DIR` to do that")


def parse(settings: tuple[str, ...]) -> dict[str, str]:
    """`KEY=VALUE` texts as a table.

    Raises:
        UsageError: A text has no `=`.

    >>> parse(("device=cuda",))
    {'device': 'cuda'}
    """
    for each in settings:
        if "=" not in each:
            raise UsageError(f"`--set {each}` has no `=`; write `--set KEY=VALUE`")
    return dict(each.split("=", 1) for each in settings)


def create(
    template: Template, into: Path, *, data: DataSet | None, options: Mapping[str, str] | None = None, seed: int = 0
) -> None:
    """Copies a template and fills it for a data set.

    Raises:
        UsageError: The folder has something in it.
    """
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise UsageError(f"`{into}` is not an empty folder; name one that is, or that does not exist yet")
    try:
        shutil.copytree(template.folder, into, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        if data is not None and template.prepare is not None:
            skipped = template.prepare(data, into, options=options or {}, seed=seed, progress=talk.progress)
            talk.problems(skipped)
    except BaseException:
        # Half a submission would refuse the next try, because its folder must be empty.
        shutil.rmtree(into, ignore_errors=True)
        raise


@click.command("pack", epilog="\b\nExample:\n  podium pack my_solution -o submission.zip")
@path_argument("folder", "DIR")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("submission.zip"),
    show_default=True,
    help="Archive.",
)
@click.option("--force", is_flag=True, help="Overwrite the archive when it is there.")
@click.option("--without-code", is_flag=True, help="Allow a submission that has no `main.py`.")
@json_option
def pack_command(folder: Path, output: Path, force: bool, without_code: bool, as_json: bool) -> None:
    """Check a submission folder and zip it; the same folder always gives the same bytes."""
    required = () if without_code else ("main.py",)
    packed = archives.pack(folder, output, required=required, force=force)
    if as_json:
        print_json(packed)
        return
    talk.table(("file", "size"), ((each.name, talk.size(each.size_bytes)) for each in packed.files))
    talk.say(f"archive: `{packed.path}`, {talk.size(packed.size_bytes)}, {packed.digest}")
