"""What a trained model costs that lies in a folder, as `podium train` leaves it, or a submission that carries one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from podium.errors import SubmissionError, UsageError
from podium.formats.weights import WeightFile, read_weights, weight_kind
from podium.solutions.profile.result import Part, Profile
from podium.solutions.profile.weight_file import profile_tensors

_ASSETS = "model_assets"
_MODEL_FILE = "model.yaml"
_FRAME = (480, 854)


def profile_folder(
    folder: Path, shapes: Sequence[tuple[int, ...]] = (), *, batch: int = 1, repeats: int = 5, depth: int = 1
) -> Profile:
    """The parameters of all weight files in a folder; of a model that segments objects the rest too.

    Args:
        folder: Of a training, a model or a submission.
        shapes: Of a frame, (3, H, W), where the model takes frames.
        batch: Of the measured call.
        repeats: Timed calls.
        depth: How deep the parts of a network lie.

    Raises:
        UsageError: There is no weight file, or one cannot be read.
    """
    place = folder / _ASSETS if (folder / _ASSETS / _MODEL_FILE).is_file() else folder
    if (place / _MODEL_FILE).is_file() and _segments(place):
        return _segmentation(place, shapes, batch=batch, repeats=repeats, depth=depth)
    files = list(_weights(place))
    if not files:
        raise UsageError(f"`{folder}` holds no weight file")
    return profile_tensors(files, name=folder.resolve().name)


def _weights(folder: Path) -> list[tuple[str, WeightFile]]:
    files = sorted(each for each in folder.rglob("*") if each.is_file() and not each.is_symlink())
    try:
        held = [each for each in files if weight_kind(each) is not None]
        return [(each.relative_to(folder).as_posix(), read_weights(each)) for each in held]
    except SubmissionError as error:
        raise UsageError(str(error)) from error


def _segments(place: Path) -> bool:
    """Whether the model's file names networks, as that of object segmentation does."""
    with (place / _MODEL_FILE).open(encoding="utf-8", errors="replace") as stream:
        text = stream.read(1 << 16)
    return any(line.startswith("networks:") for line in text.splitlines())


def _segmentation(place: Path, shapes: Sequence[tuple[int, ...]], *, batch: int, repeats: int, depth: int) -> Profile:
    """The networks of a model at the size that it shows them, and the whole of its work for a frame."""
    from podium.solutions.object_segmentation.inputs import filled_size
    from podium.solutions.object_segmentation.model import Model
    from podium.solutions.profile.torch_module import profile_torch, zeros

    if len(shapes) > 1 or any(len(shape) != 3 for shape in shapes):
        raise UsageError(f"this model takes one frame: `--input 3,{_FRAME[0]},{_FRAME[1]}`")
    height, width = shapes[0][-2:] if shapes else _FRAME
    model = Model.load(place)
    size = (3, *filled_size(height, width, model.inputs))
    made = [
        profile_torch(each, zeros([size, size], batch=batch), repeats=repeats, depth=depth) for each in model.networks
    ]
    parts: list[Part] = []
    for at, each in enumerate(made, start=1):
        front = f"network {at}: " if len(made) > 1 else ""
        parts += [replace(part, name=f"{front}{part.name}") for part in each.parts]
    flow = model.parameters - sum(each.parameters for each in made)
    whole = model.multiply_adds(height, width)
    passes = whole - sum(each.multiply_adds or 0 for each in made)
    if flow or passes:
        parts.append(Part(name="(flow and further passes)", parameters=flow, multiply_adds=passes))
    seconds = [each.frame_seconds for each in made if each.frame_seconds is not None]
    return Profile(
        name=place.resolve().parent.name if place.name == _ASSETS else place.resolve().name,
        parts=tuple(parts),
        parameters=model.parameters,
        statistics=sum(each.statistics for each in made),
        constants=sum(each.constants for each in made),
        multiply_adds=whole,
        frame_seconds=sum(seconds) if seconds else None,
        inputs=made[0].inputs,
        notes=(
            f"for a frame of `{height}` by `{width}`, which the networks see at `{size[1]}` by `{size[2]}`",
            "time is that of one pass of the networks, without flow and without what becomes of their answers",
        ),
    )
