"""A challenge: its rules as values and its code as functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from podium.errors import UsageError, nearest
from podium.types.audit import Auditing
from podium.types.data import DataSet
from podium.types.gallery import ExplainPairs, MakeGalleries
from podium.types.problem import Problem, Severity
from podium.types.progress import Progress, silent
from podium.types.run import Limits, Run
from podium.types.score import Measure, Metric, Score
from podium.types.sequence import ShowSequences


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
        minimum_agreement: Refuse hybrid submissions whose re-made predictions agree less with the uploaded
            ones (0 to 1, the challenge says how it is measured); None only reports it.
    """

    parity: bool = False
    seed: int = 0
    resamples: int = 1_000
    exhibits: int = 6
    minimum_agreement: float | None = None


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


class SplitData(Protocol):
    """Holds part of what there is to learn from out, by whole units that belong together (clips, animals)."""

    def __call__(self, data: DataSet, into: Path, *, share: float, seed: int) -> DataSet:
        """Returns a data set whose `public` part names `share` of the units for training and the rest as held out."""
        ...


class RehearseData(Protocol):
    """Makes a twin of a test set to dry-run with: the same names and sizes, and nothing of its content."""

    def __call__(self, data: DataSet, into: Path, *, seed: int, progress: Progress = silent) -> DataSet:
        """Returns the twin."""
        ...


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a look at a submission's own files shows, beside what it predicts.

    Attributes:
        measures: Added to those of the score.
        problems: An error makes the submission invalid.
    """

    measures: tuple[Measure, ...] = ()
    problems: tuple[Problem, ...] = ()


class InspectSubmission(Protocol):
    """Looks at the files of a submission, never running them."""

    def __call__(self, submission: Path, predictions: Any, data: DataSet, *, run: Run | None) -> Inspection:
        """Says what it found.

        Args:
            submission: The folder as it was packed.
            predictions: As read; None where they are not valid.
            data: What it ran on.
            run: How it ran.
        """
        ...


class ReadPredictions(Protocol):
    """Reads predictions with bounds; finds every problem and raises none of them."""

    def __call__(self, folder: Path, data: DataSet, *, phase: Phase, parity: bool = False) -> Reading:
        """Returns the predictions and every problem; `parity` checks no more than the official validator does."""
        ...


class PrepareSubmission(Protocol):
    """Fills a submission folder with what its template cannot ship: fitted weights, uploaded predictions."""

    def __call__(
        self,
        data: DataSet,
        submission: Path,
        *,
        options: Mapping[str, str] = MappingProxyType({}),
        seed: int = 0,
        progress: Progress = silent,
    ) -> tuple[Problem, ...]:
        """Writes into `submission`; returns what it had to skip. An unknown option is a UsageError."""
        ...


@dataclass(frozen=True, kw_only=True)
class Template:
    """A submission folder to start from: ``starter`` is the smallest valid one, ``baseline`` our solution.

    Attributes:
        prepare: Fills in what the folder cannot ship; None where it is whole.
        in_demo: ``podium demo`` runs it.
    """

    name: str
    summary: str
    folder: Path
    prepare: PrepareSubmission | None = None
    in_demo: bool = True


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
        templates: The starter first, then the baseline.
        readme: The page that says what the challenge is.
        write_artifacts: Writes what the official runtime leaves (rankings, archive) into a folder.
        perfect: Fills an empty folder with the best possible predictions, from the answers; for conformance.
        broken: Named ways to spoil valid predictions in place; each must give problems and never raise.
        count_queries: How many queries the inputs hold, for a limit that grows with them.
        copies: Inputs that are also laid into the working directory under a name there, unless the submission has
            that file.
        auditing: How its independence rule is checked; None where there is none.
        galleries: Shows predictions query by query; None where nothing is ranked.
        explain: Says where pairs of images agree; None where no model is known.
        split_data: Holds some of the public part out; None where the official data is split already.
        rehearse_data: Makes a twin to dry-run with; None where there is no need.
        inspect: Looks at the submission's own files (the parameters of its model); None where no rule is about them.
        columns: Measures that a ranking shows beside the score, by name.
        column_limits: The least that is not allowed of a column, by its name.
        sequences: Shows masks frame by frame; None where nothing is segmented.
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
    templates: tuple[Template, ...]
    readme: Path
    make_data: MakeData
    import_data: ImportData
    check_data: Callable[[DataSet], tuple[Problem, ...]]
    subset_data: SubsetData
    read_predictions: ReadPredictions
    score: ScorePredictions
    write_artifacts: Callable[[Any, Path], tuple[Path, ...]] | None = None
    perfect: Callable[[DataSet, Path], None] | None = None
    broken: Callable[[], tuple[tuple[str, Callable[[Path], None]], ...]] | None = None
    count_queries: Callable[[DataSet], int] | None = None
    copies: tuple[tuple[str, str], ...] = ()
    auditing: Auditing | None = None
    galleries: MakeGalleries | None = None
    explain: ExplainPairs | None = None
    split_data: SplitData | None = None
    rehearse_data: RehearseData | None = None
    inspect: InspectSubmission | None = None
    columns: tuple[str, ...] = ()
    column_limits: tuple[tuple[str, float], ...] = ()
    sequences: ShowSequences | None = None

    @property
    def metric(self) -> Metric:
        """The official metric."""
        return self.metrics[0]

    def template(self, name: str) -> Template:
        """The submission template of that name.

        Raises:
            UsageError: There is none.
        """
        for each in self.templates:
            if each.name == name:
                return each
        names = [each.name for each in self.templates]
        raise UsageError(f"`{self.id}` has no template `{name}`; {nearest(name, names)}")

    def phase(self, name: str) -> Phase:
        """The phase of that name.

        Raises:
            UsageError: There is none.
        """
        for each in self.phases:
            if each.name == name:
                return each
        raise UsageError(f"`{self.id}` has no phase `{name}`; {nearest(name, [p.name for p in self.phases])}")
