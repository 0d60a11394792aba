"""What can go wrong, as a tree.

```
PodiumError
├── UsageError          2   the command or call was wrong: unknown name, missing file, bad option
├── SubmissionError     1   the submission is at fault; carries every problem that was found
├── ChallengeError      3   the challenge or its data set is at fault
└── MachineError        3   this machine cannot do what was asked
```

The number is the exit code of the command. A message says where, what was found and what is allowed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from podium.types.problem import Problem


class PodiumError(Exception):
    """Root of everything that Podium raises on purpose."""

    exit_code: ClassVar[int] = 3


class UsageError(PodiumError, ValueError):
    """The caller asked for something that does not exist or cannot be."""

    exit_code = 2


class SubmissionError(PodiumError):
    """The submission or its predictions break a rule.

    Args:
        message: One line that sums up.
        problems: Every fault that was found, with its place.
    """

    exit_code = 1

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class ChallengeError(PodiumError):
    """A challenge's own code or data set is at fault; never counted against a participant."""


class MachineError(PodiumError):
    """This machine lacks something that the work needs."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause that suggests the nearest known name, or lists the names when none is near.

    >>> nearest("vsc-descriptr", ["vsc-descriptor", "davis"])
    'did you mean `vsc-descriptor`?'
    >>> nearest("zebra", ["davis", "whale-do"])
    'known: `davis`, `whale-do`'
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    return "known: " + ", ".join(f"`{each}`" for each in names)
