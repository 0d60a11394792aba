"""The page of identified photographs: each beside the individuals that it may show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from podium.errors import MachineError
from podium.report import gallery
from podium.types import Candidate, Clip, Gallery

if TYPE_CHECKING:
    from podium.solutions.reidentification.identification import Identification, Suggestion

_LEAD = (
    "Each photograph beside the most similar photograph of each individual, best first. A probability tells how often "
    "two photographs that are this similar show the same individual."
)


def write(identifications: Sequence[Identification], into: Path) -> Path:
    """Writes the page, and small copies of the photographs into a folder of its stem beside it.

    Args:
        identifications: In the order to show them.
        into: The page's path; replaced when it is there.
    """
    options = gallery.Options(
        title="Who is in these photographs?", eyebrow="Podium identification", lead=_LEAD, judged=False
    )
    return gallery.write([_gallery(each) for each in identifications], into, locate=_located, options=options)


def _gallery(each: Identification) -> Gallery:
    new = "" if each.new is None else f"somebody new: {percent(each.new)}"
    return Gallery(
        item=each.photo.name,
        query=Clip(item=each.photo.name, path=str(each.photo)),
        value=None,
        note="; ".join(filter(None, (new, *each.notes))),
        candidates=tuple(_candidate(one) for one in each.suggestions),
    )


def _candidate(one: Suggestion) -> Candidate:
    photographs = "1 photograph" if one.photos == 1 else f"{one.photos} photographs"
    likely = "" if one.probability is None else f"{percent(one.probability)} · "
    return Candidate(
        clip=Clip(item=one.individual, path=str(one.photo)),
        rank=one.rank,
        similarity=one.similarity,
        right=False,
        note=f"{likely}{photographs}",
    )


def percent(probability: float) -> str:
    """A probability to read; never certain.

    >>> percent(0.123), percent(0.9999), percent(0.0001)
    ('12 %', 'over 99 %', 'under 1 %')
    """
    if probability < 0.01:
        return "under 1 %"
    return "over 99 %" if probability > 0.99 else f"{100 * probability:.0f} %"


def _located(clip: Clip) -> Path:
    path = Path(clip.path)
    if not path.is_file():
        raise MachineError(f"the photograph `{path.name}` is gone")
    return path
