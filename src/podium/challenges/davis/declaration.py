"""``model.json``: the weight files of a submission, whose parameters are counted and not believed.

```
{"weights": ["model_assets/weights.safetensors"], "multiply_adds": 1.9e9}       multiply_adds (a frame) may be left out
{"weights": []}                                                                 a method without parameters
```

Every other file of the submission is looked at too: none may be a weight file, and what cannot be counted must be
small. The rule is the contest's: fewer than 50 million parameters, all parts counted.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, cast

from podium.challenges.davis.findings import Findings, like
from podium.challenges.davis.layout import judged_sequences
from podium.challenges.davis.metadata import AMOUNT, PARAMETER_LIMIT, PARAMETERS, Metadata, is_amount
from podium.challenges.davis.paths import read_json
from podium.challenges.davis.predictions import DavisPredictions
from podium.errors import SubmissionError, UsageError
from podium.formats.faults import Faults, shown, sized
from podium.formats.files import READ_FLAGS, replacing
from podium.formats.weights import Role, Tally, WeightFile, read_weights, tally, weight_kind
from podium.types import DataSet, Inspection, Measure, Problem, Run, Severity

MODEL = "model.json"
WEIGHTS = "weights"
MULTIPLY_ADDS = "multiply_adds"

LARGEST_OTHER_BYTES = 4 << 20
"""The most bytes that a file may have without being counted."""

OTHER_BYTES = 16 << 20
"""The most that all such bytes may be together."""

PARAMETER_BYTES = 4
"""What a parameter may take: `PARAMETER_LIMIT` times that is the most bytes of all."""

TOLERANCE = 0.001
"""By how much of the count `nparams` may fall short: buffers of a model cannot be told from its parameters."""

_MOST_FILES = 20_000
_MOST_WEIGHTS = 1_000
_LONGEST_NAME = 1_000
_EXAMPLE = f'write `{{"{WEIGHTS}": ["model_assets/weights.safetensors"]}}`, or `{{"{WEIGHTS}": []}}` without a model'
_SUFFIXES = frozenset(
    {".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".onnx", ".h5", ".hdf5", ".keras", ".pb", ".tflite", ".npz"}
    | {".npy", ".pkl", ".pickle", ".joblib", ".msgpack", ".gguf", ".ggml", ".engine", ".plan", ".trt", ".pdparams"}
    | {".caffemodel", ".params", ".ptl", ".t7", ".torchscript", ".mlmodel", ".weights", ".mat", ".pte", ".pt2"}
)


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What a submission says of its model.

    Attributes:
        weights: Its weight files, relative to the submission, with forward slashes.
        multiply_adds: A frame, as the submission says; None where it does not.
    """

    weights: tuple[str, ...]
    multiply_adds: float | None = None


def write_declaration(folder: Path, declaration: Declaration) -> None:
    """Writes ``model.json`` into a submission.

    Raises:
        UsageError: `multiply_adds` is not a number that is read again.
    """
    table: dict[str, Any] = {WEIGHTS: list(declaration.weights)}
    amount = declaration.multiply_adds
    if amount is not None:
        if not is_amount(amount):
            raise UsageError(f"`{MULTIPLY_ADDS}` is `{amount}`; {AMOUNT}")
        table[MULTIPLY_ADDS] = amount
    with replacing(folder / MODEL) as stream:
        stream.write((json.dumps(table) + "\n").encode("utf-8"))


def inspect(submission: Path, predictions: Any, data: DataSet, *, run: Run | None) -> Inspection:
    """Counts the parameters of a submission's weight files, and compares them with what it says.

    Args:
        submission: The folder as it was packed.
        predictions: As read, or None: then nothing is compared.
        data: Gives the number of frames.
        run: Gives the seconds; None leaves them out.
    """
    look = _Look(submission)
    declaration = look.declaration()
    metadata = predictions.metadata if isinstance(predictions, DavisPredictions) else None
    if declaration is None:
        return Inspection(problems=look.problems)
    weights = look.weights(declaration)
    look.others(declaration)
    counts = tally(weights.values())
    sound = not any(each.severity is Severity.ERROR for each in look.problems)
    problems = (
        *look.problems,
        *_limit(counts, weights),
        *(_claims(metadata, counts, weights) if metadata and sound else ()),
    )
    measures = (
        *((_parameters(counts, len(weights)),) if sound else ()),
        *_multiply_adds(declaration, metadata),
        *_seconds(run, data),
    )
    return Inspection(measures=measures, problems=problems)


class _Look:
    """A look at the files of a submission; what is wrong gathers in `problems`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._faults: list[Problem] = []
        self._files = dict(self._walk("", 0))
        self._spare: dict[str, int] = {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was found so far."""
        return tuple(self._faults)

    def declaration(self) -> Declaration | None:
        """What ``model.json`` says; None, with a problem, where it says nothing of use."""
        findings = Findings()
        table = read_json(self._folder / MODEL, findings, hint=_EXAMPLE)
        declaration = None if table is None else _declaration(table, findings)
        faults = Faults(MODEL)
        findings.pour(faults)
        self._faults += faults.problems
        return declaration

    def weights(self, declaration: Declaration) -> dict[str, WeightFile]:
        """The declared files that can be read, by name; data of ONNX models in files of their own is checked."""
        read: dict[str, WeightFile] = {}
        refused: dict[str, SubmissionError] = {}
        for name in declaration.weights:
            if name not in self._files:
                near = like(name[:_LONGEST_NAME], self._files)
                self._add(MODEL, f"{shown(name)} is declared and is no file of the submission{near}")
                continue
            try:
                read[name] = read_weights(self._folder / name)
            except SubmissionError as error:
                refused[name] = error
        held = self._held_elsewhere(read, frozenset(declaration.weights))
        for name, error in refused.items():
            if name not in held:
                self._faults += [replace(each, place=_place(name, each.place)) for each in error.problems]
        self._spare = {name: file.other_bytes for name, file in read.items()} | held
        self._check_spare()
        return read

    def others(self, declaration: Declaration) -> None:
        """Refuses files that are not declared and may hold weights."""
        rest = {name: size for name, size in self._files.items() if name not in declaration.weights}
        named = [name for name in rest if self._is_weight(name)]
        large = [name for name, size in rest.items() if size > LARGEST_OTHER_BYTES and name not in named]
        hint = f"add it to `{WEIGHTS}` in `{MODEL}`, or take it out; other formats: store it as safetensors"
        for listed, what in (
            (named, "this is a weight file that is not declared"),
            (large, f"this file of over {sized(LARGEST_OTHER_BYTES)} is not declared, and what it holds is not known"),
        ):
            for at, name in enumerate(listed[:3]):
                count = len(listed) - 2 if at == 2 else 1
                self._add(shown(name), what, hint=hint, count=count)
        total = sum(size for name, size in rest.items() if name not in named and name not in large)
        total += sum(self._spare.values())
        if total > OTHER_BYTES:
            message = f"{sized(total)} of the submission belong to no weights; at most {sized(OTHER_BYTES)} are allowed"
            self._add(MODEL, message, hint="take out what the code does not need: pictures, videos, archives")

    def _held_elsewhere(self, read: dict[str, WeightFile], declared: frozenset[str]) -> dict[str, int]:
        """The files that hold data of ONNX models, and how many of their bytes no tensor uses."""
        ranges: dict[str, list[tuple[int, int]]] = {}
        for name, file in read.items():
            for each in file.externals:
                parts = (*PurePosixPath(name).parent.parts, *PurePosixPath(each.location).parts)
                target = "/".join(part for part in parts if part != ".")
                if ".." in parts or target not in self._files:
                    self._add(
                        shown(name), f"its data lies in {shown(each.location)}, which is no file of the submission"
                    )
                elif target not in declared:
                    message = f"this file holds data of {shown(name)} and is not declared"
                    self._add(shown(target), message, hint=f"add it to `{WEIGHTS}` in `{MODEL}`", once=True)
                elif each.offset + each.length > self._files[target]:
                    self._add(shown(target), f"it is too short for the data that {shown(name)} has in it", once=True)
                else:
                    ranges.setdefault(target, []).append((each.offset, each.offset + each.length))
        return {target: self._files[target] - _covered(spans) for target, spans in ranges.items()}

    def _check_spare(self) -> None:
        for name, size in self._spare.items():
            if size > LARGEST_OTHER_BYTES:
                message = f"{sized(size)} of this weight file belong to no tensor; at most "
                self._add(shown(name), f"{message}{sized(LARGEST_OTHER_BYTES)} are allowed")

    def _is_weight(self, name: str) -> bool:
        path = self._folder / name
        if PurePosixPath(name).suffix.lower() in _SUFFIXES:
            return True
        try:
            return weight_kind(path) is not None or _is_pickle_or_array(path)
        except SubmissionError as error:
            self._faults += error.problems
            return False

    def _walk(self, prefix: str, depth: int) -> Iterator[tuple[str, int]]:
        """Name and size of every plain file; a link or device is a problem, and is not followed."""
        with os.scandir(self._folder / prefix) as scanned:
            entries = sorted(scanned, key=lambda each: each.name)
        for number, entry in enumerate(entries):
            name = f"{prefix}{entry.name}"
            found = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(found.st_mode):
                yield name, found.st_size
            elif stat.S_ISDIR(found.st_mode) and depth < 16:
                yield from self._walk(f"{name}/", depth + 1)
            else:
                self._add(shown(name), "this is a link, a device or a folder too deep; only plain files are looked at")
            if number > _MOST_FILES:
                self._add(shown(prefix or "."), f"there are more than `{_MOST_FILES}` files")
                return

    def _add(self, place: str, message: str, *, hint: str = "", count: int = 1, once: bool = False) -> None:
        problem = Problem(place=place.strip("`"), message=message, hint=hint, count=count)
        if not (once and problem in self._faults):
            self._faults.append(problem)


def _declaration(table: dict[str, Any], findings: Findings) -> Declaration | None:
    listed, amount = table.get(WEIGHTS), table.get(MULTIPLY_ADDS)
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in cast(list[object], listed)):
        what = f"the key `{WEIGHTS}` is missing{like(WEIGHTS, table)}"
        what = f"`{WEIGHTS}` is no list of file names" if WEIGHTS in table else what
        findings.note("weights", "", what, hint=_EXAMPLE)
        return None
    names = cast(list[str], listed)
    if len(names) > _MOST_WEIGHTS:
        findings.note("weights", "", f"`{len(names)}` weight files are listed; at most `{_MOST_WEIGHTS}` are read")
        return None
    for name in sorted({each for each in names if names.count(each) > 1}):
        findings.note("twice", "", f"{shown(name)} is declared twice", hint="list each file once")
    if amount is not None and not is_amount(amount):
        message = f"`{MULTIPLY_ADDS}` is {shown(amount)}; {AMOUNT}"
        findings.note("amount", "", message, hint="leave it out when it is not known")
        amount = None
    clean = dict.fromkeys(name.removeprefix("./") for name in names)
    return Declaration(weights=tuple(clean), multiply_adds=None if amount is None else float(amount))


def _limit(counts: Tally, weights: dict[str, WeightFile]) -> Iterator[Problem]:
    if counts.parameters >= PARAMETER_LIMIT:
        message = f"the weight files hold `{counts.parameters:,}` parameters; "
        message += f"fewer than `{PARAMETER_LIMIT:,}` are allowed"
        hint = "all parts count: a flow network, a frozen encoder, each of an ensemble, the state of an optimizer"
        if counts.counted_constants or counts.counted_statistics:
            hint += "; large constants and statistics count as well"
        yield Problem(place=MODEL, message=message, hint=hint)
    learned = (each for file in weights.values() for each in file.tensors if each.role is Role.PARAMETER)
    size, most = sum(each.size_bytes for each in learned), PARAMETER_BYTES * PARAMETER_LIMIT
    if size >= most:
        # Else two weights could hide in each number of 64 bits.
        message = f"the parameters take {sized(size)}; at `{PARAMETER_BYTES}` bytes each, less than {sized(most)} is"
        yield Problem(place=MODEL, message=f"{message} allowed", hint="store them as float32")


def _claims(metadata: Metadata, counts: Tally, weights: dict[str, WeightFile]) -> Iterator[Problem]:
    """Where what the predictions say of the model differs from the count."""
    said, held = metadata.parameters, counts.parameters
    place = f"metadata.json `{PARAMETERS}`"
    if said and not weights:
        message = f"the submission says `{said:,}` parameters and declares no weight file, so that none can be counted"
        yield Problem(place=place, message=message, hint=f"list its weight files under `{WEIGHTS}` in `{MODEL}`")
    elif said < held:
        message = f"the submission says `{said:,}` parameters; its weight files hold `{held:,}`"
        small = held - said <= TOLERANCE * held
        hint = f"write `{held}`" if small else "`podium profile FILE` shows them; store no optimizer state"
        yield Problem(place=place, message=message, hint=hint, severity=Severity.WARNING if small else Severity.ERROR)
    elif said not in (held, counts.with_statistics):
        message = f"the submission says `{said:,}` parameters; its weight files hold only `{held:,}`, which count"
        yield Problem(place=place, message=message, hint=f"write `{held}`", severity=Severity.WARNING)


def _parameters(counts: Tally, files: int) -> Measure:
    note = f"counted in {files} weight file{'' if files == 1 else 's'}; fewer than {PARAMETER_LIMIT:,} are allowed"
    spared = counts.statistics if not counts.counted_statistics else 0
    note += f"; {spared:,} batch statistics do not count" if spared else ""
    return Measure(name="parameters", value=float(counts.parameters), note=note)


def _multiply_adds(declaration: Declaration, metadata: Metadata | None) -> Iterator[Measure]:
    if declaration.multiply_adds is not None:
        yield Measure(name="multiply-adds", value=declaration.multiply_adds, note=f"a frame, as `{MODEL}` says")
    elif metadata is not None and metadata.operations is not None:
        note = "a frame: half of `nflops`, as the submission says"
        yield Measure(name="multiply-adds", value=metadata.operations / 2, note=note)


def _seconds(run: Run | None, data: DataSet) -> Iterator[Measure]:
    if run is not None:
        frames = sum(len(each.frames) for each in judged_sequences(data))
        note = f"of the whole run, start and all, over {frames:,} frames on this machine"
        yield Measure(name="seconds per frame", value=run.wall_seconds / frames if frames else None, note=note)


def _is_pickle_or_array(path: Path) -> bool:
    descriptor = os.open(path, READ_FLAGS)
    try:
        head = os.pread(descriptor, 16, 0)
    finally:
        os.close(descriptor)
    pickled = head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    return pickled or head.startswith((b"\x93NUMPY", b"GGUF")) or head[4:8] == b"TFL3"


def _covered(spans: Sequence[tuple[int, int]]) -> int:
    """How many bytes lie in at least one span."""
    total = end = 0
    for first, last in sorted(spans):
        total += max(0, last - max(first, end))
        end = max(end, last)
    return total


def _place(name: str, place: str) -> str:
    """The place of a problem of a file, its folders in front."""
    last = PurePosixPath(name).name
    return name + place.removeprefix(last) if place.startswith(last) else f"{name} {place}"
