"""The gallery: each query beside its ranked images, right or wrong, the worst query first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from podium.errors import UsageError, nearest
from podium.report import amounts
from podium.report.templates import THEMES, environment
from podium.report.thumbnails import Locate, Thumbnail, Thumbnails, overlay
from podium.types import Candidate, Clip, Gallery, PairMap, Progress, silent

PAGE = "gallery.html"
MOST_QUERIES = 400

Pair = tuple[Clip, Clip]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a gallery page shows.

    Attributes:
        title: Above all.
        eyebrow: A line above the title.
        lead: What the reader sees, one or two sentences.
        metric: Name of the value of a query, or empty.
        judged: It is known which candidates are right; otherwise no frame says so.
        maps: Where the images of some pairs agree.
        most_queries: More are left out, shared among the values of the first facet, the best first to go.
        theme: As for a report's page.
        back: A page to link to, or empty.
    """

    title: str
    eyebrow: str = "Podium gallery"
    lead: str = ""
    metric: str = ""
    judged: bool = True
    maps: Mapping[Pair, PairMap] = field(default_factory=lambda: MappingProxyType({}))
    most_queries: int = MOST_QUERIES
    theme: str = "auto"
    back: str = ""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A ranked image as it is drawn."""

    anchor: str
    name: str
    picture: Thumbnail
    state: str
    rank: str
    similarity: str
    note: str
    heat: str
    pair: Comparison | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Query and candidate side by side with the map of each."""

    query_heat: str
    heat: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A query as it is drawn."""

    anchor: str
    name: str
    title: str
    picture: Thumbnail
    value: str
    note: str
    classes: str
    cards: tuple[Card, ...]
    missed: tuple[Card, ...]
    more_missed: int
    heat: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A value that one may filter by."""

    key: str
    label: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Facet:
    """Values of one kind."""

    name: str
    choices: tuple[Choice, ...]


def write(
    galleries: Iterable[Gallery], page: Path, *, locate: Locate, options: Options, progress: Progress = silent
) -> Path:
    """Writes the page, and the thumbnails into a folder of its stem beside it. Needs no script and no network.

    Args:
        galleries: In the order to show them.
        page: Replaced when it is there.
        locate: Where the image of a clip lies.

    Raises:
        UsageError: There is no such theme.
    """
    if options.theme not in THEMES:
        raise UsageError(f"a page has no theme `{options.theme}`; {nearest(options.theme, THEMES)}")
    every = list(galleries)
    shown = chosen(every, most=options.most_queries)
    facets = _facets(shown)
    keys = {(facet.name, choice.label): choice.key for facet in facets for choice in facet.choices}
    pictures = Thumbnails(page, locate)
    rows = [
        _row(at, each, pictures, keys, options)
        for at, each in enumerate(progress(shown, what="drawing the gallery", total=len(shown)))
    ]
    page.parent.mkdir(parents=True, exist_ok=True)
    text = (
        environment()
        .get_template("gallery.html.jinja")
        .render(options=options, theme=options.theme, rows=rows, facets=facets, total=len(every), ramp="")
    )
    page.write_text(text, encoding="utf-8")
    return page


def chosen(galleries: Sequence[Gallery], *, most: int) -> list[Gallery]:
    """At most `most` of the galleries in their order: the same share of each value of the first facet.

    >>> from podium.types import Clip
    >>> def made(item, facet):
    ...     return Gallery(item=item, query=Clip(item=item, path=""), value=0.0, facets=(("scenario", facet),))
    >>> every = [made("a", "1"), made("b", "1"), made("c", "1"), made("d", "2")]
    >>> [each.item for each in chosen(every, most=2)]
    ['a', 'd']
    """
    if len(galleries) <= most:
        return list(galleries)
    waiting: dict[str, list[int]] = {}
    for at, each in enumerate(galleries):
        waiting.setdefault(each.facets[0][1] if each.facets else "", []).append(at)
    kept: list[int] = []
    depth = 0
    while len(kept) < most:
        kept += [places[depth] for places in waiting.values() if depth < len(places)]
        depth += 1
    return [galleries[at] for at in sorted(kept[:most])]


def pairs_to_explain(galleries: Sequence[Gallery], *, queries: int = 60, candidates: int = 4) -> list[Pair]:
    """The pairs whose maps say most: the first candidates of the first queries, and the first right one."""
    pairs: list[Pair] = []
    for each in galleries[:queries]:
        wanted = list(each.candidates[:candidates])
        right = next((one for one in (*each.candidates, *each.missed) if one.right), None)
        if right is not None and right not in wanted:
            wanted.append(right)
        pairs += [(each.query, one.clip) for one in wanted]
    return pairs


def _facets(galleries: Sequence[Gallery]) -> tuple[Facet, ...]:
    counts: dict[str, dict[str, int]] = {}
    for each in galleries:
        for name, value in each.facets:
            values = counts.setdefault(name, {})
            values[value] = values.get(value, 0) + 1
    return tuple(
        Facet(
            name=name,
            choices=tuple(
                Choice(key=f"f{number}-{at}", label=value, count=values[value])
                for at, value in enumerate(sorted(values))
            ),
        )
        for number, (name, values) in enumerate(counts.items())
        if len(values) > 1
    )


def _row(
    at: int,
    gallery: Gallery,
    pictures: Thumbnails,
    keys: Mapping[tuple[str, str], str],
    options: Options,
) -> Row:
    cards = tuple(_card(f"q{at}-{n}", gallery, each, pictures, options) for n, each in enumerate(gallery.candidates))
    missed = tuple(_card(f"q{at}-m{n}", gallery, each, pictures, options) for n, each in enumerate(gallery.missed))
    mapped = next((card.pair.query_heat for card in (*cards, *missed) if card.pair), "")
    return Row(
        anchor=f"q{at}",
        name=gallery.item,
        title=gallery.query.item,
        picture=pictures.of(gallery.query),
        value="" if gallery.value is None else amounts.number(gallery.value),
        note=gallery.note,
        classes=" ".join(keys[facet] for facet in gallery.facets if facet in keys),
        cards=cards,
        missed=missed,
        more_missed=max(0, gallery.missed_count - len(missed)),
        heat=mapped,
    )


def _card(anchor: str, gallery: Gallery, candidate: Candidate, pictures: Thumbnails, options: Options) -> Card:
    found = options.maps.get((gallery.query, candidate.clip))
    heat = overlay(found.candidate) if found else ""
    pair = None
    if found:
        words = f"cosine {amounts.number(found.similarity)}"
        pair = Comparison(query_heat=overlay(found.query), heat=heat, words=words)
    return Card(
        anchor=anchor,
        name=candidate.clip.item,
        picture=pictures.of(candidate.clip),
        state=("right" if candidate.right else "wrong") if options.judged else "",
        rank="" if candidate.rank is None else f"{candidate.rank}",
        similarity="" if candidate.similarity is None else f"{candidate.similarity:.3f}",
        note=candidate.note,
        heat=heat,
        pair=pair,
    )
