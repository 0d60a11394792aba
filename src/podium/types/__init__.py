"""The values that flow through Podium. All frozen, none does I/O.

```
submission folder --pack--> archive --sandbox(inputs read-only, Limits)--> Run
  outputs --read_predictions--> Reading     every problem at once, not the first
  Reading.predictions + answers --score--> Score
  all of it --> Report --> leaderboard
```
"""

from podium.types.audit import Answer, Auditing, MakeVariants, ReadAnswers, Variant
from podium.types.challenge import (
    Challenge,
    DataRequest,
    ImportData,
    Inspection,
    InspectSubmission,
    MakeData,
    Phase,
    PrepareSubmission,
    Reading,
    ReadPredictions,
    RehearseData,
    ScorePredictions,
    ScoreSettings,
    SplitData,
    SubsetData,
    Template,
)
from podium.types.data import DataSet
from podium.types.gallery import Candidate, ExplainPairs, Gallery, Grid, MakeGalleries, PairMap
from podium.types.problem import Problem, Severity
from podium.types.progress import Progress, silent
from podium.types.report import Digests, Machine, Report, Verdict
from podium.types.run import Control, Enforcement, Failure, Limits, Mount, OutputFile, Run, Stage, Usage
from podium.types.score import Clip, Curve, Exhibit, ExhibitKind, Interval, ItemScore, Measure, Metric, Score
from podium.types.sequence import MaskedFrame, MaskedSequence, MaskPair, ShowSequences
from podium.types.timeline import Lane, Mark, Span, Timeline

__all__ = [
    "Answer",
    "Auditing",
    "Candidate",
    "Challenge",
    "Clip",
    "Control",
    "Curve",
    "DataRequest",
    "DataSet",
    "Digests",
    "Enforcement",
    "Exhibit",
    "ExhibitKind",
    "ExplainPairs",
    "Failure",
    "Gallery",
    "Grid",
    "ImportData",
    "InspectSubmission",
    "Inspection",
    "Interval",
    "ItemScore",
    "Lane",
    "Limits",
    "Machine",
    "MakeData",
    "MakeGalleries",
    "MakeVariants",
    "Mark",
    "MaskPair",
    "MaskedFrame",
    "MaskedSequence",
    "Measure",
    "Metric",
    "Mount",
    "OutputFile",
    "PairMap",
    "Phase",
    "PrepareSubmission",
    "Problem",
    "Progress",
    "ReadAnswers",
    "ReadPredictions",
    "Reading",
    "RehearseData",
    "Report",
    "Run",
    "Score",
    "ScorePredictions",
    "ScoreSettings",
    "Severity",
    "ShowSequences",
    "Span",
    "SplitData",
    "Stage",
    "SubsetData",
    "Template",
    "Timeline",
    "Usage",
    "Variant",
    "Verdict",
    "silent",
]
