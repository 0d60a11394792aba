"""Made-up names: classes that look alike share a noun, so that a list of results can be read.

Legend: C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_ADJECTIVES = (
    "amber ashen azure bitter brass bright bronze calm chalk cloudy cobalt copper coral crooked dusty ebony faded "
    "folding frosted gentle gilded granite hollow humming indigo ivory jade lacquered lunar maple misty mossy narrow "
    "opal painted pale pearl quilted rusty sable silver slate smoky spiral striped velvet walnut woven"
)
_NOUNS = (
    "abacus anvil balloon banjo barrel basket beacon bellows bicycle binder bobbin bonnet bucket buoy cabinet candle "
    "carousel chisel cradle crane dial drum easel engine fiddle flask flute gondola hammock harp helmet kettle kite "
    "ladder lantern lever loom mallet marble mirror oar orchard parasol pendulum piston plough puppet raft saddle "
    "scarf sledge sundial teapot telescope trolley trumpet turnstile vessel wagon whistle windmill"
)
_SIBLINGS = 3


def class_names(families_C: Sequence[int], rng: np.random.Generator) -> tuple[str, ...]:
    """A name for each class; classes of one family share the noun.

    Args:
        families_C: The family of each class; at most three classes have the same.
        rng: Shuffles the words.

    >>> class_names([0, 1, 0], np.random.default_rng(0))
    ('Brass lantern', 'Brass trumpet', 'Frosted lantern')
    """
    adjectives, nouns = rng.permutation(_ADJECTIVES.split()), rng.permutation(_NOUNS.split())
    seen: dict[int, int] = {}
    names: list[str] = []
    for family in families_C:
        seen[family] = seen.get(family, -1) + 1
        round_, noun = divmod(family, len(nouns))
        adjective = adjectives[(_SIBLINGS * round_ + seen[family]) % len(adjectives)]
        names.append(f"{adjective} {nouns[noun]}".capitalize())
    return tuple(names)
