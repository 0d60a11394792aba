r"""``paths.json``: which files there are, in the form that pandas writes a table of paths.

```
{"raw": {"0": "JPEGImages\/480p\/bear\/00000.jpg", …}, "annotation": {"0": "Annotations\/480p\/bear\/00000.png", …}}
```

Columns are `raw`, `annotation` and, in results, `output`. Keys are row numbers as text; their order in the file means
nothing. A path has one kind of slash; a backslash means what a slash means. The clip of a frame is the folder that
its file lies in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, cast

from podium.challenges.davis.findings import Findings, like
from podium.errors import ChallengeError, SubmissionError
from podium.formats.faults import Faults, shown
from podium.formats.files import open_regular, replacing
from podium.formats.names import name_fault

PATHS = "paths.json"
RAW, ANNOTATION, OUTPUT = "raw", "annotation", "output"

_MAX_BYTES = 16 << 20
_MAX_INDEX = 10_000_000
_MAX_CHARACTERS = 1_000
_MAX_DEPTH = 32

Column = Mapping[int, str | None]


class _Twice(ValueError):  # noqa: N818 - carries the key
    """A key of a JSON object is there twice."""


def read_column(path: Path, name: str, findings: Findings, *, hint: str = "") -> Column | None:
    """One column of a stranger's ``paths.json`` by row number, sorted; None when there is none.

    Every fault goes into `findings`. A path that may not be used counts as left out.

    Args:
        path: The file.
        name: Of the column.
        findings: Takes the faults.
        hint: What to do when the file cannot be opened.
    """
    table = read_json(path, findings, hint=hint)
    if table is None:
        return None
    found = table.get(name)
    if not isinstance(found, dict):
        what = f"`{name}` is no object" if name in table else f"the key `{name}` is missing"
        hint = f'write `{{"{name}": {{"0": "outputs/00000.png"}}}}`'
        near = "" if name in table else like(name, table)
        findings.note("column", "", f"{what}{near}", hint=hint)
        return None
    rows = _rows(cast(Mapping[str, Any], found), name, findings)
    return dict(sorted(rows.items()))


def read_json(path: Path, findings: Findings, *, hint: str = "") -> dict[str, Any] | None:
    """The object in a small JSON file; None with a fault in `findings`, and `hint` where it cannot be opened."""
    try:
        with open_regular(path, max_bytes=_MAX_BYTES) as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except SubmissionError as error:
        findings.note("file", "", error.problems[0].message if error.problems else str(error), hint=hint)
        return None
    try:
        table: Any = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_constant)
    except _Twice as error:
        findings.note("twice", "", f"the key {shown(error)} is there twice", hint="write each row once")
        return None
    except (ValueError, RecursionError) as error:
        findings.note("json", "", f"the file is no JSON: {shown(error, characters=120)}", hint="write it as UTF-8 JSON")
        return None
    if not isinstance(table, dict):
        findings.note("json", "", f"the file holds a {type(table).__name__}; an object is needed")
        return None
    return cast(dict[str, Any], table)


def read_trusted(path: Path, name: str) -> dict[int, str]:
    """One column of a data set's own ``paths.json``: rows 0, 1, 2 and so on, each with a path.

    Raises:
        ChallengeError: The file is missing or broken, or a row is.
    """
    findings = Findings()
    column = read_column(path, name, findings)
    faults = Faults(str(path))
    findings.pour(faults)
    if column is None or faults.problems:
        first = "; ".join(str(each) for each in faults.problems[:3])
        raise ChallengeError(f"the data set's `{path}` is broken: {first}")
    rows = {index: value for index, value in column.items() if value is not None}
    if list(rows) != list(range(len(column))) or not rows:
        raise ChallengeError(f"the data set's `{path}` is broken: `{name}` needs rows 0, 1, 2 …, each with a path")
    return rows


def write(path: Path, columns: Mapping[str, Iterable[str]]) -> None:
    """Writes ``paths.json`` as pandas would: rows numbered from 0, slashes escaped. The same input, the same bytes.

    Args:
        path: The file to make.
        columns: Paths with forward slashes, by column.
    """
    table = {name: {str(row): each for row, each in enumerate(paths)} for name, paths in columns.items()}
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=True).replace("/", "\\/")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as stream:
        stream.write(text.encode("ascii"))


def clip_of(path: str) -> str:
    """The clip of a frame: the folder that its file lies in; empty when there is none.

    >>> clip_of("JPEGImages/480p/bear/00000.jpg")
    'bear'
    """
    return PurePosixPath(path).parent.name


def _rows(found: Mapping[str, Any], name: str, findings: Findings) -> dict[int, str | None]:
    rows: dict[int, str | None] = {}
    for key, value in found.items():
        if not (key.isascii() and key.isdigit() and str(int(key[:20])) == key and int(key) <= _MAX_INDEX):
            findings.note("key", "", f"the key {shown(key)} of `{name}` is no row number", hint='write `"0"`, `"1"`, …')
            continue
        path, fault, hint = _normal(value)
        if fault:
            findings.note(f"path {fault.split('`')[0]}", f"row {key}", fault, hint=hint)
        rows[int(key)] = path
    return rows


def _normal(value: object) -> tuple[str | None, str, str]:
    """A path with forward slashes, or None; what is wrong with it; and what to do."""
    if value is None:
        return None, "", ""
    if not isinstance(value, str):
        return None, f"the path is {shown(value)}; a text is needed", "write a path, or leave the row out"
    if "/" in value and "\\" in value:
        return None, f"the path {shown(value)} mixes `/` and a backslash", "use `/` only"
    path = value.replace("\\", "/").removeprefix("./")
    fault = name_fault(path, max_characters=_MAX_CHARACTERS, max_depth=_MAX_DEPTH)
    if fault or path.endswith("/"):
        return (
            None,
            f"the path {shown(value)} may not be used: {fault or 'it is a folder'}",
            "write it relative to the folder",
        )
    return path, "", ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        raise _Twice(next(key for key, _ in pairs if key in seen or seen.add(key)))
    return found


def _constant(name: str) -> None:
    raise ValueError(f"`{name}` is no JSON")
