"""Podium runs, judges and ranks code-execution challenges in visual AI.

```python
import podium

copies = podium.challenge("vsc-descriptor")
report = podium.score(copies, "predictions/", data="data/vsc")
report.score.value, report.score.interval
```

Importing this loads neither numpy nor torch: every name below arrives when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podium.challenges import challenge as challenge
    from podium.challenges import challenges as challenges
    from podium.evaluate import run as run
    from podium.evaluate import score as score
    from podium.evaluate import validate as validate
    from podium.leaderboard import rank as rank
    from podium.types import Report as Report
    from podium.types import ScoreSettings as ScoreSettings

__version__ = "0.1.0"

_HOMES = {
    "challenge": "podium.challenges",
    "rank": "podium.leaderboard",
    "run": "podium.evaluate",
    "score": "podium.evaluate",
    "validate": "podium.evaluate",
    "Report": "podium.types",
    "ScoreSettings": "podium.types",
}

__all__ = ["Report", "ScoreSettings", "__version__", "challenge", "rank", "run", "score", "validate"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module `podium` has no attribute `{name}`")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
