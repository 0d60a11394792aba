"""Where pages come from: this room's templates, and the words that they share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jinja2
from markupsafe import Markup

from podium.report import amounts
from podium.types import Interval

THEMES = ("auto", "light", "dark")
_CODE = re.compile(r"(`[^`\n]+`)")


def interval_words(interval: Interval | None) -> str:
    """What an interval says and how it was made.

    >>> interval_words(Interval(low=0.55, high=0.7123, resamples=1000, unit="32 queries"))
    '95 % interval 0.5500 – 0.7123, bootstrap over 32 queries, 1,000 resamples'
    """
    if interval is None:
        return ""
    words = f"{interval.level * 100:g} % interval {amounts.number(interval.low)} – {amounts.number(interval.high)}"
    if interval.unit:
        words += f", bootstrap over {interval.unit}"
    return f"{words}, {interval.resamples:,} resamples" if interval.resamples else words


def marked(text: str) -> Markup:
    """The text for a page, what stands in backticks set as code.

    >>> str(marked("at most `512`; 1 < 2, and a lone ` stays"))
    'at most <code>512</code>; 1 &lt; 2, and a lone ` stays'
    """
    parts = (
        Markup("<code>{}</code>").format(part[1:-1]) if _CODE.fullmatch(part) else part for part in _CODE.split(text)
    )
    return Markup("").join(parts)


def environment() -> jinja2.Environment:
    """Where pages come from: this room's templates, escaped, with the filters of `amounts`."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("podium.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: Mapping[str, Any] = {
        "number": amounts.number,
        "size": amounts.size,
        "duration": amounts.duration,
        "clip": amounts.clipped,
        "interval_words": interval_words,
        "marked": marked,
        "readable": amounts.readable,
    }
    environment.filters.update(filters)  # pyright: ignore[reportUnknownMemberType] - jinja2 leaves its values untyped
    return environment
