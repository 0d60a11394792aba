"""The values that flow through Podium. All frozen, none does I/O.

```
submission folder --pack--> archive --sandbox(inputs read-only, Limits)--> Run
  outputs --read_predictions--> Reading     every problem at once, not the first
  Reading.predictions + answers --score--> Score
  all of it --> Report --> leaderboard
```
"""

from podium.types.challenge import (
    Challenge,
    DataRequest,
    DataSet,
    ImportData,
    MakeData,
    Phase,
    PrepareSubmission,
    Reading,
    ReadPredictions,
    ScorePredictions,
    ScoreSettings,
    SubsetData,
    Template,
)
from podium.types.problem import Problem, Severity
from podium.types.progress import Progress, silent
from podium.types.report import Digests, Machine, Report, Verdict
from podium.types.run import Control, Enforcement, Failure, Limits, Mount, OutputFile, Run, Stage, Usage
from podium.types.score import Clip, Curve, Exhibit, ExhibitKind, Interval, ItemScore, Measure, Metric, Score

__all__ = [
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
    "Failure",
    "ImportData",
    "Interval",
    "ItemScore",
    "Limits",
    "Machine",
    "MakeData",
    "Measure",
    "Metric",
    "Mount",
    "OutputFile",
    "Phase",
    "PrepareSubmission",
    "Problem",
    "Progress",
    "ReadPredictions",
    "Reading",
    "Report",
    "Run",
    "Score",
    "ScorePredictions",
    "ScoreSettings",
    "Severity",
    "Stage",
    "SubsetData",
    "Template",
    "Usage",
    "Verdict",
    "silent",
]
