"""How the official scorer understands a column of text, where that changes a result.

Its reader guesses a type for each whole column, and joins predictions with labels by the guessed values: `001` and `1`
are one id where every id is a number, and `NA` is no id. This holds for ``parity`` only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from podium.errors import SubmissionError
from podium.types import Problem

# fmt: off
_MISSING = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
]
# fmt: on
_TRUE = ["True", "TRUE", "true"]
_FALSE = ["False", "FALSE", "false"]
_WHOLE = r"^[+-]?[0-9]+$"
_NUMBER = r"^[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:inf|infinity))$"

_WORDS = {"text": "text", "whole": "a whole number", "number": "a number", "truth": "a truth value"}

NOTHING = "\0"
"""Stands for a missing id; no file that is read can hold it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Guess:
    """A column with the type that was guessed for all of it.

    Attributes:
        values: String for ``text``, Int64 for ``whole``, else Float64; null where a value counts as missing.
    """

    kind: Literal["text", "whole", "number", "truth"]
    values: pl.Series


def guess(raw: pl.Series) -> Guess:
    """The type of a column of text: the narrowest that every value fits which is not missing.

    >>> guess(pl.Series(["001", "2"])).values.to_list()
    [1, 2]
    >>> guess(pl.Series(["001", "NA", "x"])).values.to_list()
    ['001', None, 'x']
    """
    text = raw.set(raw.is_in(_MISSING), None)
    there = text.drop_nulls()
    # A column of ids is nearly always told from numbers by its first value.
    if len(there) and _numbers(there.head(1)) is not None:
        number = _numbers(there)
        if number is not None:
            whole = not text.null_count() and there.str.strip_chars().str.contains(_WHOLE).all()
            exact = _plain(text).cast(pl.Int64, strict=False) if whole else None
            if exact is not None and not exact.null_count():
                return Guess(kind="whole", values=exact)
            return Guess(kind="number", values=_plain(text).cast(pl.Float64, strict=False))
    if not len(there):
        return Guess(kind="number", values=text.cast(pl.Float64, strict=False))
    if there.head(1).is_in(_TRUE + _FALSE).all() and there.is_in(_TRUE + _FALSE).all():
        return Guess(kind="truth", values=text.is_in(_TRUE).cast(pl.Float64).set(text.is_null(), None))
    return Guess(kind="text", values=text)


def joinable(left: pl.Series, right: pl.Series, *, name: str) -> tuple[pl.Series, pl.Series]:
    """Both columns spelled so that two ids are equal where the official scorer joins them; null where missing.

    Args:
        left: Of the predictions, as written.
        right: Of the labels.
        name: Of the column.

    Raises:
        SubmissionError: One column holds only numbers and the other text.

    >>> [each.to_list() for each in joinable(pl.Series(["001"]), pl.Series(["1"]), name="query_id")]
    [['1'], ['1']]
    """
    mine, theirs = guess(left), guess(right)
    kinds = {mine.kind, theirs.kind}
    if kinds == {"text"}:
        return mine.values, theirs.values
    if kinds in ({"text", "truth"}, {"truth"}):
        # Neither is ever equal to the other, but the official scorer goes on.
        first, second = (NOTHING + each.kind + each.values.cast(pl.String) for each in (mine, theirs))
        return first, second
    if kinds <= {"whole", "number"}:
        spelled = pl.Int64 if kinds == {"whole"} else pl.Float64
        first, second = (each.values.cast(spelled).cast(pl.String) for each in (mine, theirs))
        return first, second
    found = f"{_WORDS[mine.kind]} in the predictions and {_WORDS[theirs.kind]} in the labels"
    message = f"`{name}` is {found}; the official scorer joins no such columns"
    raise SubmissionError("the official scorer cannot join the predictions with the labels", [_problem(message)])


def _problem(message: str) -> Problem:
    return Problem(place="submission.csv", message=message, hint="write the ids as they stand in the data set")


def _plain(text: pl.Series) -> pl.Series:
    return text.str.strip_chars().str.strip_prefix("+")


def _numbers(there: pl.Series) -> pl.Series | None:
    """The values as numbers, or None when one is no number."""
    if not there.str.strip_chars().str.contains(_NUMBER).all():
        return None
    return _plain(there).cast(pl.Float64, strict=False)
