"""The faults of one file, gathered: a million bad rows give three examples and a count."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from podium.errors import SubmissionError
from podium.types import Problem, Severity


class Faults:
    """Collects problems in the order in which they are found, and keeps the list short.

    Args:
        file: How the file is called in the problems, usually its name without folders.
        examples: How many rows of one kind of fault are named; 1 or more.
        limit: How many problems are kept; the rest is counted in one last problem.

    >>> faults = Faults("matches.csv")
    >>> faults.add_rows([3, 7, 9], lambda line: "the score is `NaN`", word="line", count=120)
    >>> [str(each) for each in faults.problems][-1]
    'matches.csv line 9: the score is `NaN` (and 117 more like it)'
    """

    def __init__(self, file: str, *, examples: int = 3, limit: int = 50) -> None:
        self.file = file
        self.examples = examples
        self._limit = limit
        self._problems: list[Problem] = []
        self._dropped = 0
        self._refused = False

    def add(
        self, where: str, message: str, *, hint: str = "", count: int = 1, severity: Severity = Severity.ERROR
    ) -> None:
        """Notes one fault at `where` inside the file; an empty `where` is the file itself."""
        self._refused = self._refused or severity is Severity.ERROR
        if len(self._problems) >= self._limit:
            self._dropped += count
            return
        place = f"{self.file} {where}" if where else self.file
        self._problems.append(Problem(place=place, message=message, hint=hint, count=count, severity=severity))

    def add_rows(
        self,
        rows: Sequence[int],
        describe: Callable[[int], str],
        *,
        word: str = "row",
        hint: str = "",
        count: int | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Notes one kind of fault in many rows.

        Args:
            rows: The numbers of the first bad rows, at least one; more than `examples` are only counted.
            describe: The message for a row's number.
            word: What a number counts: ``row`` or ``line``.
            hint: What to do about it.
            count: How many rows are bad, when `rows` is only their beginning.
            severity: Of each.
        """
        total = len(rows) if count is None else count
        named = rows[: self.examples]
        for index, row in enumerate(named):
            last = index == len(named) - 1
            here = total - len(named) + 1 if last else 1
            self.add(f"{word} {row}", describe(row), hint=hint, count=here, severity=severity)

    def extend(self, error: SubmissionError) -> None:
        """Takes over what an opened file's refusal says."""
        if not error.problems:
            self.add("", str(error))
        for each in error.problems:
            self._refused = self._refused or each.severity is Severity.ERROR
            self._problems.append(each)

    @property
    def refused(self) -> bool:
        """True when a fault is an error."""
        return self._refused

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was found so far."""
        if not self._dropped:
            return tuple(self._problems)
        severity = Severity.ERROR if self._refused else Severity.WARNING
        rest = Problem(place=self.file, message=f"`{self._dropped}` more problems are not listed", severity=severity)
        return (*self._problems, rest)


def shown(value: object, *, characters: int = 60) -> str:
    r"""A participant's text made safe to print, cut and in backticks.

    >>> shown("a\x1b[31mb")
    '`a\\x1b[31mb`'
    >>> shown("x" * 100, characters=5)
    '`xxxxx…`'
    """
    text = str(value)
    cut = text[:characters] + ("…" if len(text) > characters else "")
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return f"`{safe.replace('`', chr(39))}`"


def sized(size_bytes: int) -> str:
    """A number of bytes as a person reads it, in backticks.

    >>> sized(999), sized(6 << 30), sized(1536)
    ('`999 bytes`', '`6.00 GiB`', '`1.50 KiB`')
    """
    if size_bytes < 1024:
        return f"`{size_bytes} bytes`"
    units = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
    power = min((size_bytes.bit_length() - 1) // 10, len(units) - 1)
    return f"`{size_bytes / 1024**power:.2f} {units[power]}`"
