"""Numbers as a person reads them, and limits as a person wrote them."""

from __future__ import annotations

import math
import re

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_BYTES = {
    "b": 1.0,
    "byte": 1.0,
    "bytes": 1.0,
    **{
        prefix + end: float(base**power)
        for power, prefix in enumerate("kmgtp", start=1)
        for end, base in (("b", 1000), ("ib", 1024))
    },
}
_SECONDS = {
    "ms": 0.001,
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3_600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
}
_PIECES = dict.fromkeys(("", "process", "processes", "files", "and", "together"), 1.0)
_RAW_BYTES = re.compile(r"\b(\d{4,}) bytes\b")
_RAW_SECONDS = re.compile(r"\b(\d{2,}(?:\.\d+)?) s\b")
_QUANTITY = re.compile(r"(\d[\d,_]*(?:\.\d+)?)[ \u00a0\u202f]*([A-Za-z]*)")


def size(count_bytes: float) -> str:
    """Bytes in binary units.

    >>> size(1536), size(0), size(3 << 30)
    ('1.5 KiB', '0 B', '3 GiB')
    """
    value, unit = float(count_bytes), 0
    while abs(value) >= 1_000 and unit < len(_BINARY) - 1:
        value, unit = value / 1_024, unit + 1
    return f"{_short(value)} {_BINARY[unit]}"


def duration(seconds: float) -> str:
    """Seconds in the units that a person would use.

    >>> duration(0.0424), duration(12.34), duration(125), duration(7260)
    ('42 ms', '12.3 s', '2 min 5 s', '2 h 1 min')
    """
    if seconds < 0.9995:
        return f"{seconds * 1_000:.0f} ms"
    if seconds < 59.95:
        return f"{_short(seconds)} s"
    whole = round(seconds)
    if whole < 3_600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(round(whole / 60), 60)
    return f"{hours:,} h {rest} min" if rest else f"{hours:,} h"


def number(value: float | None) -> str:
    """A measure: counts whole, the rest with four places, a missing one as a dash.

    >>> number(0.63119), number(38400.0), number(1.0), number(None)
    ('0.6312', '38,400', '1.0000', '–')
    """
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value)
    if abs(value) > 1 and value == int(value):
        return f"{int(value):,}"
    return f"{value:,.4f}" if abs(value) < 1_000 else f"{value:,.1f}"


def moment(seconds: float) -> str:
    """A time within a video.

    >>> moment(7.25), moment(75.0), moment(3725.4)
    ('7.2 s', '1:15.0', '1:02:05.4')
    """
    tenths = round(seconds * 10 - 1e-9)
    minutes, rest = divmod(tenths, 600)
    if minutes == 0:
        return f"{rest / 10:.1f} s"
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{start}:{rest / 10:04.1f}"


def read_limit(text: str, *, unit: str) -> float | None:
    """The amount that a limit's words name, in the unit; None when they name no amount of that kind.

    Args:
        text: As a person wrote it.
        unit: ``s`` for a time, ``B`` for a size, empty for pieces.

    >>> read_limit("2 h 30 min", unit="s"), read_limit("4 GiB", unit="B"), read_limit("1,024 processes", unit="")
    (9000.0, 4294967296.0, 1024.0)
    >>> read_limit("2,000 files", unit="B"), read_limit("no limit", unit="s")
    (None, None)
    """
    factors = {"s": _SECONDS, "B": _BYTES}.get(unit, _PIECES)
    total: float | None = None
    for digits, name in _QUANTITY.findall(text):
        factor = factors.get(name.lower())
        if factor is None:
            break
        total = (total or 0.0) + float(digits.replace(",", "").replace("_", "")) * factor
    return total


def readable(text: str) -> str:
    """A limit's words with its bytes and seconds in larger units.

    >>> readable("4294967296 bytes, 2000 files"), readable("1200 s"), readable("read-only")
    ('4 GiB, 2000 files', '20 min', 'read-only')
    """
    text = _RAW_BYTES.sub(lambda found: size(float(found[1])), text)
    return _RAW_SECONDS.sub(lambda found: duration(float(found[1])), text)


def clipped(text: str, *, characters: int) -> str:
    """The text without control characters, cut in its middle when it is longer than `characters`.

    >>> clipped("abcdefghij", characters=7)
    'abc…hij'
    """
    clean = "".join(each if each.isprintable() or each == "\n" else " " for each in text)
    if len(clean) <= characters:
        return clean
    half = (characters - 1) // 2
    return f"{clean[:half]}…{clean[len(clean) - (characters - 1 - half) :]}"


def _short(value: float) -> str:
    text = f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"
    return text.removesuffix(".0")
