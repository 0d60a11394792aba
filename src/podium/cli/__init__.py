"""The `podium` command. Each subcommand lives in a module that is imported only when it is called."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import NoReturn

import click

from podium import __version__
from podium.cli import talk
from podium.errors import PodiumError, SubmissionError, nearest

_COMMANDS = {
    "demo": ("podium.cli.demo", "Data, submissions, sandboxed runs, scores, ranking, report: all in one go."),
    "list": ("podium.cli.catalogue", "The challenges that are installed."),
    "show": ("podium.cli.catalogue", "One challenge: rules, limits, files."),
    "doctor": ("podium.cli.doctor", "What works on this machine, and why not."),
    "data": ("podium.cli.data", "Make, import, check or cut a data set."),
    "new": ("podium.cli.submission", "A submission folder to edit."),
    "pack": ("podium.cli.submission", "Check a submission folder and zip it, always to the same bytes."),
    "run": ("podium.cli.judging", "Run a submission in a sandbox and score what it wrote."),
    "validate": ("podium.cli.judging", "Check the format of predictions; needs no answers."),
    "score": ("podium.cli.judging", "Score predictions against the answers."),
    "score-tree": ("podium.cli.trees", "Score a tree of DAVIS masks by the rules of 2016 or 2017."),
    "audit": ("podium.cli.audit", "Does an answer depend on other queries, on ids or on chance?"),
    "report": ("podium.cli.showing", "The page that shows why a score is what it is."),
    "log": ("podium.cli.log", "Put a result into Weights & Biases, in the contest's form."),
    "rank": ("podium.cli.showing", "Rank the reports of several runs."),
    "profile": ("podium.cli.profile", "What a model costs: parameters, multiply-adds, time."),
    "train": ("podium.cli.train", "Train a model from a recipe."),
    "predict": ("podium.cli.predict", "Predict five-second segments with trained models, and rank them."),
    "submit-file": ("podium.cli.submit_file", "Rank predicted segments and write the file to submit."),
    "features": ("podium.cli.features", "Features of your own videos, to train on or to label."),
    "label": ("podium.cli.label", "Say what every five seconds of your own videos show."),
    "segment": (
        "podium.cli.segment",
        "Masks of the object that a video is about, and a video with them drawn over it.",
    ),
    "identify": ("podium.cli.identify", "Rank the individuals that photographs may show."),
}

_OF_THE_DISK = {errno.ENOSPC: 3, errno.EDQUOT: 3, errno.EROFS: 2, errno.EACCES: 2, errno.EPERM: 2, errno.ENOTDIR: 2}

EXAMPLE = """\b
Example:
  podium demo vsc-descriptor
  podium data make vsc-descriptor data/vsc --media my_videos
  podium new vsc-descriptor my_solution --from baseline --data data/vsc
  podium run vsc-descriptor my_solution --data data/vsc --out runs/first
  podium report runs/first
"""


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the work."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        return getattr(module, f"{cmd_name.replace('-', '_')}_command")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown name is answered with the nearest."""
        if args and not args[0].startswith("-") and args[0] not in _COMMANDS:
            ctx.fail(f"no command is called `{args[0]}`; {nearest(args[0], _COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


@click.command(cls=Commands, epilog=EXAMPLE, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="podium")
def cli() -> None:
    """Run, judge and rank code-execution challenges in visual AI.

    Exit codes: 0 done or scored, 1 the submission is at fault, 2 wrong use, 3 the challenge or this machine is at
    fault, 130 interrupted.
    """


def main() -> NoReturn:
    """Runs the command and ends the process with its exit code."""
    sys.exit(call(sys.argv[1:]))


def call(arguments: list[str]) -> int:
    """Runs the command and returns its exit code; everything that goes wrong becomes one message on stderr."""
    try:
        done = cli.main(arguments, prog_name="podium", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message(), err=True)
        return 2
    except click.ClickException as error:
        talk.error(error.format_message(), hint=_usage_hint(error))
        return 2
    except (KeyboardInterrupt, click.Abort):
        talk.error("interrupted")
        return 130
    except PodiumError as error:
        talk.error(str(error))
        if isinstance(error, SubmissionError):
            talk.problems(error.problems)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("PODIUM_TRACEBACK"):
            raise
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            talk.error(f"{f'`{error.filename}`' if error.filename else 'a file'} cannot be written: {error.strerror}")
            return _OF_THE_DISK[error.errno]
        talk.error(
            f"Podium itself failed: {type(error).__name__}: {error}",
            hint="set `PODIUM_TRACEBACK=1` to see where, and please report it",
        )
        return 3
    return done if isinstance(done, int) else 0


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"`{context.command_path} -h` shows how" if isinstance(context, click.Context) else ""
