"""The cases that explain a score: wrong images ranked high, right images not listed, right images found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from podium.challenges.whale_do.facts import Facts
from podium.challenges.whale_do.judging import Judged
from podium.types import Exhibit, ExhibitKind

_BAD = 0.5


def exhibits(judged: Judged, images: Sequence[str], facts: Facts, *, count: int) -> tuple[Exhibit, ...]:
    """At most `count` cases of each kind, each kind with one case an individual.

    Args:
        judged: Rankings beside the truth.
        images: (Q,) the image of each query; an empty one is not shown.
        facts: Gives the paths.
        count: Of each kind.
    """
    kinds = (_false_positives(judged, facts, images), _missed(judged, facts, images), _found(judged, facts, images))
    return tuple(each for kind in kinds for each in _one_an_individual(kind, facts, count))


def _one_an_individual(cases: Iterable[Exhibit], facts: Facts, count: int) -> Iterator[Exhibit]:
    seen: set[str] = set()
    for case in cases if count else ():
        name = facts.individuals.get(case.query.item, case.query.item)
        if name not in seen and case.query.item:
            seen.add(name)
            yield case
            if len(seen) == count:
                return


def _false_positives(judged: Judged, facts: Facts, images: Sequence[str]) -> Iterator[Exhibit]:
    """The first image of badly answered queries where it is wrong, the highest score first, then the lowest AP."""
    first = judged.starts_Q[:-1][np.diff(judged.starts_Q) > 0]
    bad = first[~judged.relevant_N[first] & (judged.ap_Q[judged.query_N[first]] < _BAD)]
    for row in bad[np.lexsort((bad, judged.ap_Q[judged.query_N[bad]], -judged.score_N[bad]))].tolist():
        query = int(judged.query_N[row])
        right = int(judged.positives_Q[query])
        best = judged.first_rank_Q[query]
        where = f"the first right one has rank {int(best)}" if np.isfinite(best) else "no right one is listed"
        note = f"this image is wrong; {where}, of {right} in the database"
        yield _case(ExhibitKind.FALSE_POSITIVE, judged, facts, images, row, note)


def _missed(judged: Judged, facts: Facts, images: Sequence[str]) -> Iterator[Exhibit]:
    """Right images that are not listed, of the worst queries."""
    short = np.flatnonzero(judged.found_Q < np.minimum(judged.positives_Q, 20))
    worst: list[int] = short[np.argsort(judged.ap_Q[short], kind="stable")].tolist()
    for query in worst:
        for image in judged.missed(query)[:1]:
            yield Exhibit(
                kind=ExhibitKind.MISSED,
                query=facts.clip(images[query]),
                reference=facts.clip(image),
                note=f"{judged.query_ids[query]}: {facts.note(images[query])}; not listed: {facts.note(image)}",
            )


def _found(judged: Judged, facts: Facts, images: Sequence[str]) -> Iterator[Exhibit]:
    """Right images at rank 1, the highest score first."""
    hits = np.flatnonzero(judged.relevant_N & (judged.rank_N == 1))
    for row in hits[np.lexsort((hits, -judged.score_N[hits]))].tolist():
        yield _case(ExhibitKind.FOUND, judged, facts, images, row, "this image is right")


def _case(kind: ExhibitKind, judged: Judged, facts: Facts, images: Sequence[str], row: int, note: str) -> Exhibit:
    query, image = int(judged.query_N[row]), judged.image_ids[int(judged.image_N[row])]
    return Exhibit(
        kind=kind,
        query=facts.clip(images[query]),
        reference=facts.clip(image),
        similarity=float(judged.score_N[row]),
        rank=int(judged.rank_N[row]),
        note=f"{judged.query_ids[query]}: {facts.note(images[query])}; ranked {facts.note(image)}; {note}",
    )
