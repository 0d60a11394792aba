"""`podium profile`."""

from __future__ import annotations

import math
from pathlib import Path

import click

from podium.cli import talk
from podium.cli.options import json_option, print_json
from podium.cli.showing import amount
from podium.errors import UsageError
from podium.solutions.profile import Profile

EXAMPLE = """\b
Example:
  podium profile model_assets/weights.safetensors
  podium profile runs/segment/model --input 3,480,854
  podium profile nets.py:Segmenter --input 3,480,854 --batch 4
  podium profile exported.pt --run --input 3,480,854 --json
"""


@click.command("profile", epilog=EXAMPLE)
@click.argument("model", metavar="MODEL")
@click.option(
    "--input",
    "shapes",
    metavar="SIZES",
    multiple=True,
    help="Shape of an input without its batch: `3,480,854`. Once for each input.",
)
@click.option("--batch", type=click.IntRange(1, 1024), default=1, show_default=True, help="Frames in a call.")
@click.option("--repeats", type=click.IntRange(0), default=5, show_default=True, help="Timed calls; 0 takes no time.")
@click.option("--depth", type=click.IntRange(1, 8), default=1, show_default=True, help="How deep the parts lie.")
@click.option("--run", "runs", is_flag=True, help="Run a TorchScript or ONNX file, which is a program.")
@json_option
def profile_command(
    model: str, shapes: tuple[str, ...], batch: int, repeats: int, depth: int, runs: bool, as_json: bool
) -> None:
    """What a model costs: parameters, multiply-adds and time, by its parts.

    MODEL is a weight file (safetensors, torch, TorchScript, ONNX, Keras), a folder that `podium train` made, or
    FILE.py:NAME, a torch module or Keras model of your own, which is imported and run.

    One multiply-add is two floating-point operations. Parameters are as torch counts them, without the statistics of
    batch normalisations.
    """
    made = _profile(model, [_shape(each) for each in shapes], batch=batch, repeats=repeats, depth=depth, runs=runs)
    if as_json:
        print_json(made)
    else:
        _show(made)


def _profile(model: str, shapes: list[tuple[int, ...]], *, batch: int, repeats: int, depth: int, runs: bool) -> Profile:
    from podium.solutions import profile

    if profile.is_own_code(model):
        return profile.profile_own(model, shapes, batch=batch, repeats=repeats, depth=depth)
    path = Path(model)
    if path.is_dir():
        return profile.profile_folder(path, shapes, batch=batch, repeats=repeats, depth=depth)
    if not path.exists():
        raise UsageError(f"`{model}` does not exist; give a weight file, a model's folder or `FILE.py:NAME`")
    if runs and not shapes:
        raise UsageError("`--run` needs the size of the input: add `--input 3,480,854`")
    return profile.profile_file(path, shapes, batch=batch, repeats=repeats, run=runs)


def _shape(text: str) -> tuple[int, ...]:
    """`3,480,854` as numbers.

    >>> _shape("3,480,854")
    (3, 480, 854)
    """
    parts = text.replace("x", ",").split(",")
    if not all(part.strip().isascii() and part.strip().isdigit() and int(part) > 0 for part in parts):
        raise UsageError(f"`--input {text}` is no shape; write whole numbers with commas: `3,480,854`")
    shape = tuple(int(part) for part in parts)
    if len(shape) > 8 or math.prod(shape) > 1 << 30:
        raise UsageError(f"`--input {text}` is too large; at most 8 sides and 2^30 numbers are allowed")
    return shape


def _show(made: Profile) -> None:
    measured = made.multiply_adds is not None
    head = ("part", "kind", "parameters", "share", *(("multiply-adds", "share") if measured else ()))
    rows = [
        (
            each.name,
            each.kind,
            f"{each.parameters:,}",
            _share(each.parameters, made.parameters),
            *((amount(each.multiply_adds), _share(each.multiply_adds, made.multiply_adds)) if measured else ()),
        )
        for each in made.parts
    ]
    rows.append((made.name, "", f"{made.parameters:,}", "", *((amount(made.multiply_adds), "") if measured else ())))
    talk.table(head, rows)
    told = [
        ("parameters", f"{made.parameters:,}", "as torch counts them; what is shared counts once"),
        ("batch statistics", f"{made.statistics:,}", "not counted by torch; counted by Keras"),
        ("other constants", f"{made.constants:,}", "buffers, tables of indices"),
    ]
    if measured:
        told.append(("multiply-adds", amount(made.multiply_adds), "a frame; one is two floating-point operations"))
    if made.frame_seconds is not None:
        told.append(("time", _duration(made.frame_seconds), "a frame, median, on this machine"))
    told += [("input", " x ".join(str(side) for side in shape), "the batch first") for shape in made.inputs]
    talk.table(("whole model", "", ""), told)
    for note in made.notes:
        talk.say(note)


def _share(part: int | None, whole: int | None) -> str:
    return f"{part / whole:.1%}" if whole and part is not None else "-"


def _duration(wall_seconds: float) -> str:
    return f"{wall_seconds * 1e3:.3g} ms" if wall_seconds < 1 else talk.seconds(wall_seconds)
