"""``metadata.json``: what a submission says of its model; in the contest it was the metadata of the artifact."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podium.challenges.davis.findings import Findings, like
from podium.challenges.davis.paths import read_json
from podium.errors import UsageError
from podium.formats.faults import shown
from podium.formats.files import replacing
from podium.types import Severity

METADATA = "metadata.json"
PARAMETERS = "nparams"
OPERATIONS = "nflops"

PARAMETER_LIMIT = 50_000_000
"""A network must have fewer, all parts counted."""

MOST_OPERATIONS = 1e18
"""The most operations a frame that are taken for true: a machine that did as many would need hours."""

AMOUNT = f"a number from 0 to {MOST_OPERATIONS:g} is needed"

_EXAMPLE = f'write `{{"{PARAMETERS}": 1234567}}`, the parameters of all parts of the model'


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What a submission says of its model.

    Attributes:
        parameters: Of all parts, frozen ones as well; 0 for a method without any.
        operations: Floating-point operations a frame, as the submission counts them; None where it does not say.
    """

    parameters: int
    operations: float | None = None


def read_metadata(path: Path, findings: Findings, *, required: bool = True) -> Metadata | None:
    """The metadata in a file; None, with faults in `findings`, when it cannot be had.

    Args:
        path: The file.
        findings: Takes the faults.
        required: A missing count refuses the submission; otherwise it only warns, as the contest's package does.
    """
    mine = Findings()
    table = read_json(path, mine, hint=_EXAMPLE)
    metadata = None if table is None else _metadata(table, mine)
    severity = Severity.ERROR if required else Severity.WARNING
    mine.pass_on(findings, severity)
    return None if mine.refused else metadata


def write_metadata(path: Path, metadata: Metadata) -> None:
    """Writes ``metadata.json``.

    Raises:
        UsageError: A number is negative, or not one that is read again.
    """
    operations = metadata.operations
    if metadata.parameters < 0 or not (operations is None or is_amount(operations)):
        raise UsageError(f"the counts of a model are at least 0; of operations {AMOUNT}")
    table: dict[str, Any] = {PARAMETERS: metadata.parameters}
    if operations is not None:
        table[OPERATIONS] = operations
    with replacing(path) as stream:
        stream.write((json.dumps(table) + "\n").encode("ascii"))


def _metadata(table: dict[str, Any], findings: Findings) -> Metadata | None:
    parameters, operations = table.get(PARAMETERS), table.get(OPERATIONS)
    if PARAMETERS not in table:
        findings.note("missing", "", f"the key `{PARAMETERS}` is missing{like(PARAMETERS, table)}", hint=_EXAMPLE)
        return None
    if isinstance(parameters, float) and parameters.is_integer():
        parameters = int(parameters)
    if isinstance(parameters, bool) or not isinstance(parameters, int) or parameters < 0:
        message = f"`{PARAMETERS}` is {shown(parameters)}; a whole number from 0 on is needed"
        findings.note("count", "", message, hint=_EXAMPLE)
        return None
    if parameters >= PARAMETER_LIMIT:
        message = f"the model has `{parameters:,}` parameters; fewer than `{PARAMETER_LIMIT:,}` are allowed"
        findings.note(
            "limit", "", message, hint="all parts count: a flow network, a frozen encoder, each of an ensemble"
        )
    if operations is not None and not is_amount(operations):
        message = f"`{OPERATIONS}` is {shown(operations)}; {AMOUNT}"
        findings.note("operations", "", message, hint="leave it out when it is not known")
        operations = None
    return Metadata(parameters=parameters, operations=None if operations is None else float(operations))


def is_amount(value: object) -> bool:
    """True for a number of operations a frame that there can be; as `AMOUNT` says.

    >>> is_amount(2.5e9), is_amount(float("nan")), is_amount(True), is_amount(10**400)
    (True, False, False, False)
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST_OPERATIONS
