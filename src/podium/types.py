"""The values that flow through Podium. All frozen, none does I/O.

```
submission folder --pack--> archive --sandbox(inputs read-only, Limits)--> Run
  outputs --read_predictions--> Reading     every problem at once, not the first
  Reading.predictions + answers --score--> Score
  all of it --> Report --> leaderboard
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar

Step = TypeVar("Step")


class Progress(Protocol):
    """Walks over the steps of long work and shows how far it is."""

    def __call__(self, steps: Iterable[Step], *, what: str, total: int | None = None) -> Iterator[Step]:
        """Yields each step; `what` names the work in two or three words."""
        ...


def silent(steps: Iterable[Step], *, what: str, total: int | None = None) -> Iterator[Step]:  # noqa: ARG001 - the protocol's names
    """The progress that shows nothing.

    >>> list(silent([1, 2], what="counting"))
    [1, 2]
    """
    yield from steps


class Verdict(StrEnum):
    """What became of a submission."""

    SCORED = "scored"
    INVALID = "invalid"
    FAILED = "failed"
    VOID = "void"


class Failure(StrEnum):
    """Why a run did not end well. `MACHINE` is never the participant's."""

    TIMEOUT = "timeout"
    CPU_TIME = "cpu time"
    MEMORY = "memory"
    PROCESSES = "processes"
    DISK = "disk"
    LOG = "log"
    CRASH = "crash"
    MISSING_OUTPUT = "missing output"
    INVALID_OUTPUT = "invalid output"
    CANCELLED = "cancelled"
    MACHINE = "machine"


class Enforcement(StrEnum):
    """How far a limit binds on this machine."""

    ENFORCED = "enforced"
    BEST_EFFORT = "best effort"
    NOT_ENFORCED = "not enforced"


class Severity(StrEnum):
    """Whether a problem refuses the predictions or only warns."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One fault, its place and what to do.

    Attributes:
        place: File, then row or item: ``query_descriptors.npz row 17``.
        message: What was found and what is allowed, values in backticks.
        hint: What to do about it, or empty.
        severity: An error refuses the predictions; a warning does not.
        count: How many places have this fault, when like ones were gathered.
    """

    place: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    count: int = 1

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        more = f" (and {self.count - 1} more like it)" if self.count > 1 else ""
        return f"{self.place}: {self.message}{more}{hint}"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number that judges, named exactly as the field writes it."""

    name: str
    higher_is_better: bool = True
    lowest: float = 0.0
    highest: float = 1.0
    summary: str = ""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one run may use.

    Attributes:
        wall_seconds: From the start of ``main.py`` to its end.
        cpu_seconds: Summed over all processes; None is no limit.
        cpus: Processors it may run on; None is all.
        memory_bytes: All processes together, with what they write to memory-backed folders.
        processes: Processes and threads alive at one time.
        scratch_bytes: What it may write in all writable folders together.
        output_bytes: What is collected at the end, all outputs together.
        output_files: How many files are looked at when collecting.
        log_bytes: How much of stdout and stderr is kept; eight times as much ends the run.
        gpus: Graphics cards that it is given.
    """

    wall_seconds: float
    cpu_seconds: float | None = None
    cpus: float | None = None
    memory_bytes: int
    processes: int = 512
    scratch_bytes: int = 4 << 30
    output_bytes: int = 2 << 30
    output_files: int = 2_000
    log_bytes: int = 1 << 20
    gpus: int = 0


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A folder or file of the host that a run sees, always read-only."""

    source: Path
    target: str


@dataclass(frozen=True, kw_only=True)
class Control:
    """One limit or wall of the sandbox, and how far it bound in this run."""

    name: str
    asked: str
    enforcement: Enforcement
    how: str


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of the work and what it cost."""

    name: str
    wall_seconds: float
    cpu_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a run used. None where the machine could not tell."""

    wall_seconds: float
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    peak_processes: int | None = None
    written_bytes: int | None = None
    log_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class OutputFile:
    """A file that a run left and Podium took. `digest` reads ``sha256:…``."""

    name: str
    size_bytes: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one execution did.

    Attributes:
        backend: ``bubblewrap``, ``container`` or ``process``.
        failure: None when ``main.py`` ended with 0 and every output was there.
        message: One line for a person; names the limit, the signal or the missing file.
        exit_code: Of ``main.py``; None when a signal or Podium ended it.
        signal: That ended ``main.py``, or None.
        usage: Totals. `stages` splits them: set-up, main.py, collect.
        controls: Every limit and wall, and how far each bound.
        outputs: What was collected, under the output folder.
        log_tail: The last lines of the log, control characters removed.
        leftover_processes: Still alive when ``main.py`` ended; all were killed.
        environment: Versions of what it ran on, one ``name version`` each; `environment_digest` covers them.
    """

    backend: str
    failure: Failure | None
    message: str
    exit_code: int | None = None
    signal: int | None = None
    usage: Usage
    stages: tuple[Stage, ...] = ()
    controls: tuple[Control, ...] = ()
    outputs: tuple[OutputFile, ...] = ()
    log_tail: tuple[str, ...] = ()
    leftover_processes: int = 0
    notes: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    environment_digest: str = ""

    @property
    def wall_seconds(self) -> float:
        """Wall seconds of the run."""
        return self.usage.wall_seconds

    @property
    def peak_memory_bytes(self) -> int | None:
        """Peak memory of the run, or None where it could not be told."""
        return self.usage.peak_memory_bytes


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A confidence interval and how it was made."""

    low: float
    high: float
    level: float = 0.95
    resamples: int = 0
    unit: str = ""

    def __iter__(self) -> Iterator[float]:
        return iter((self.low, self.high))


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number beside the score."""

    name: str
    value: float | None
    interval: Interval | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ItemScore:
    """The part of one item (query, sequence, class) in the score."""

    item: str
    value: float
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Points to draw, best first: a precision-recall curve has recall as x."""

    name: str
    x_label: str
    y_label: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Some seconds of a video, or an image when both times are None.

    Attributes:
        item: Its id.
        path: Relative to the data set's folder, with forward slashes.
        starts: Of what is shown, in seconds.
        ends: Of what is shown, in seconds.
    """

    item: str
    path: str
    start_seconds: float | None = None
    end_seconds: float | None = None


class ExhibitKind(StrEnum):
    """Why an exhibit is shown."""

    FALSE_POSITIVE = "false positive"
    MISSED = "missed"
    FOUND = "found"


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """A case worth looking at: two clips side by side, and the map of their similarity.

    Attributes:
        similarity: What the submission gave the pair; None when it did not list the pair.
        rank: Place in the submission's ranking from 1, or None.
        similarity_map: Rows are the query's times, columns the reference's; may be empty.
        note: One sentence for the reader.
    """

    kind: ExhibitKind
    query: Clip
    reference: Clip
    similarity: float | None = None
    rank: int | None = None
    similarity_map: tuple[tuple[float, ...], ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Score:
    """The judged result.

    Attributes:
        value: The official number.
        metric: Its name.
        interval: Bootstrap over the unit that was drawn.
        measures: Other numbers, in the order to show them.
        per_item: One entry an item.
        curves: To draw.
        exhibits: The cases that explain the score.
    """

    value: float
    metric: str
    interval: Interval | None = None
    measures: tuple[Measure, ...] = ()
    per_item: tuple[ItemScore, ...] = ()
    curves: tuple[Curve, ...] = ()
    exhibits: tuple[Exhibit, ...] = ()

    def measure(self, name: str) -> Measure | None:
        """The measure of that name, or None."""
        return next((each for each in self.measures if each.name == name), None)


@dataclass(frozen=True, kw_only=True)
class Digests:
    """``sha256:…`` of everything a report depends on; None where it took no part."""

    submission: str | None = None
    predictions: str | None = None
    data: str | None = None
    scorer: str | None = None
    environment: str | None = None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where it ran."""

    system: str
    processor: str
    cpus: int
    memory_bytes: int | None
    python: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that is known of one judged submission. Immutable; JSON with a schema number."""

    schema: int = 1
    challenge: str
    challenge_version: str
    phase: str
    verdict: Verdict
    message: str
    score: Score | None = None
    problems: tuple[Problem, ...] = ()
    run: Run | None = None
    stages: tuple[Stage, ...] = ()
    digests: Digests = field(default_factory=Digests)
    parity: bool = False
    seed: int = 0
    machine: Machine | None = None
    podium_version: str = ""
    created: str = ""
    submission_name: str = ""

    def to_json(self) -> str:
        """The report as JSON text, keys in the order of the fields."""
        import msgspec

        return msgspec.json.format(msgspec.json.encode(self), indent=1).decode()

    @staticmethod
    def from_json(text: str | bytes) -> Report:
        """The report that `to_json` wrote.

        Raises:
            UsageError: The text is no report, or of a later schema.
        """
        import msgspec

        from podium.errors import UsageError

        try:
            report = msgspec.json.decode(text, type=Report)
        except msgspec.MsgspecError as error:
            raise UsageError(f"this is not a Podium report: {error}") from error
        if report.schema != 1:
            raise UsageError(f"the report has schema `{report.schema}`; this Podium reads `1`")
        return report


@dataclass(frozen=True)
class DataSet:
    """A data set's folder: ``public/``, ``inputs/``, ``answers/``, ``manifest.json``."""

    root: Path

    @property
    def public(self) -> Path:
        """What participants download, in the official layout."""
        return self.root / "public"

    @property
    def inputs(self) -> Path:
        """What a run sees, read-only."""
        return self.root / "inputs"

    @property
    def answers(self) -> Path:
        """The labels; never mounted."""
        return self.root / "answers"

    @property
    def manifest(self) -> Path:
        """sha256 of every file."""
        return self.root / "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Predictions as read, or every reason why they were not.

    Attributes:
        predictions: The challenge's own value; None when a problem is an error.
        problems: All errors and warnings, in file order.
    """

    predictions: Any | None
    problems: tuple[Problem, ...] = ()

    @property
    def valid(self) -> bool:
        """True when no problem is an error."""
        return all(each.severity is not Severity.ERROR for each in self.problems)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stage of the challenge and what it demands."""

    name: str
    summary: str
    code_required: bool


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """How to score.

    Attributes:
        parity: Reproduce the official scorer, its holes included.
        seed: Of the bootstrap.
        resamples: Of the bootstrap; 0 gives no interval.
        exhibits: How many cases of each kind to pick.
    """

    parity: bool = False
    seed: int = 0
    resamples: int = 1_000
    exhibits: int = 6


@dataclass(frozen=True, kw_only=True)
class DataRequest:
    """A data set to be made.

    Attributes:
        into: The folder to make; must be empty or absent.
        media: A folder of source material, or None for what ships in Python packages.
        size: ``tiny`` (seconds, for tests of the pipes), ``small`` or ``base``.
        difficulty: 0 (untouched copies) to 1 (hardest); 0.5 follows the real set.
        seed: Same seed, same answers, byte for byte.
        workers: Processes to use.
    """

    into: Path
    media: Path | None = None
    size: str = "small"
    difficulty: float = 0.5
    seed: int = 0
    workers: int = 1


class MakeData(Protocol):
    """Makes a labelled data set out of source material."""

    def __call__(self, request: DataRequest, *, progress: Progress = silent) -> DataSet:
        """Returns the data set that it made."""
        ...


class ImportData(Protocol):
    """Brings an official download into Podium's layout."""

    def __call__(self, download: Path, into: Path, *, progress: Progress = silent) -> DataSet:
        """Returns the data set; links files where it can instead of copying."""
        ...


class SubsetData(Protocol):
    """Cuts a data set down the official way."""

    def __call__(self, data: DataSet, into: Path, *, proportion: float, seed: int) -> DataSet:
        """Returns the smaller data set."""
        ...


class ReadPredictions(Protocol):
    """Reads predictions with bounds; finds every problem and raises none of them."""

    def __call__(self, folder: Path, data: DataSet, *, phase: Phase) -> Reading:
        """Returns the predictions and every problem."""
        ...


class ScorePredictions(Protocol):
    """Scores predictions against answers."""

    def __call__(self, predictions: Any, data: DataSet, settings: ScoreSettings) -> Score:
        """Returns the score; raises ChallengeError when the answers have nothing to score."""
        ...


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """One challenge: its rules as values and its code as functions.

    Attributes:
        id: As typed in commands.
        version: Raised when a rule or the scorer changes results.
        metrics: The official one first.
        mounts: Target path of each entry of ``inputs/``; the empty name is the folder itself.
        workdir: Where the submission is unpacked and ``main.py`` is started.
        uploads: Files in the submission that are predictions themselves (hybrid challenges).
        outputs: Files that ``main.py`` writes, relative to `workdir`.
        wall_seconds_per_query: Added to the limit for each query in the inputs, when the rule says so.
        folder: The challenge's own folder, with ``starter/``, ``baseline/`` and ``README.md``.
        write_artifacts: Writes what the official runtime leaves (rankings, archive) into a folder.
        example: Fills an empty folder with predictions that are valid for a data set; for conformance.
        count_queries: How many queries the inputs hold, for a limit that grows with them.
    """

    id: str
    title: str
    version: str
    summary: str
    rules: str
    metrics: tuple[Metric, ...]
    limits: Limits
    phases: tuple[Phase, ...]
    mounts: tuple[tuple[str, str], ...]
    workdir: str
    uploads: tuple[str, ...] = ()
    outputs: tuple[str, ...]
    wall_seconds_per_query: float = 0.0
    folder: Path
    make_data: MakeData
    import_data: ImportData
    check_data: Callable[[DataSet], tuple[Problem, ...]]
    subset_data: SubsetData
    read_predictions: ReadPredictions
    score: ScorePredictions
    write_artifacts: Callable[[Any, Path], tuple[Path, ...]] | None = None
    example: Callable[[DataSet, Path], None] | None = None
    count_queries: Callable[[DataSet], int] | None = None

    @property
    def metric(self) -> Metric:
        """The official metric."""
        return self.metrics[0]

    def phase(self, name: str) -> Phase:
        """The phase of that name.

        Raises:
            UsageError: There is none.
        """
        from podium.errors import UsageError, nearest

        for each in self.phases:
            if each.name == name:
                return each
        raise UsageError(f"`{self.id}` has no phase `{name}`; {nearest(name, [p.name for p in self.phases])}")
