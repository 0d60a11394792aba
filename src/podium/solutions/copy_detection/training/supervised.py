"""Known copies: a query, the reference that it was made from, and random images that are neither.

Source of the stage: the supervised one of the ISC 2021 winner (Yokoo 2021), and of the third place of VSC 2022 after
it, where the query and the reference of the i-th pair have the label i and the j-th random image 1,000,000 + j.

Axes: B examples, V images of one, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from podium.errors import MachineError, UsageError
from podium.solutions.training.batches import Draw

try:
    from torch import Tensor
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error

FIRST_NOISE_LABEL = 1_000_000
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class SupervisedSettings:
    """How a known pair becomes an example.

    Attributes:
        negatives: Random images beside each pair, at least 0.
        label_by: ``reference``: queries made from one reference are copies of each other, too. ``pair``: as in the
            original stage, where two pairs with the same reference push its two views apart.
    """

    negatives: int = 2
    label_by: Literal["reference", "pair"] = "reference"

    def __post_init__(self) -> None:
        if self.negatives < 0:
            raise UsageError(f"`negatives` is {self.negatives}; at least 0 is allowed")


class PairExample(NamedTuple):
    """The images of an example, by name, with a label each.

    Attributes:
        images: The query, its reference, and the random images.
        labels: Equal for copies.
    """

    images: tuple[str, ...]
    labels: tuple[int, ...]


class KnownCopies:
    """Pairs of a query and its reference, and the images from which random negatives are drawn.

    Args:
        queries: One a pair.
        references: Of the same pairs.
        noise: Images that are copies of nothing here.
        settings: How many negatives, and what counts as the same.

    Raises:
        UsageError: There are not as many queries as references, not enough noise, more than 1,000,000 pairs, or an
            image of a pair is noise, too.

    >>> copies = KnownCopies(queries=["q0", "q1"], references=["r7", "r7"], noise=["t0", "t1"])
    >>> len(copies), copies.labels
    (2, (0, 0))
    """

    def __init__(
        self,
        *,
        queries: list[str],
        references: list[str],
        noise: list[str],
        settings: SupervisedSettings = SupervisedSettings(),
    ) -> None:
        _check(queries, references, noise, settings)
        self.queries = tuple(queries)
        self.references = tuple(references)
        self.noise = tuple(noise)
        self.settings = settings
        things: tuple[Hashable, ...] = self.references if settings.label_by == "reference" else tuple(range(len(self)))
        first: dict[Hashable, int] = {}
        self.labels = tuple(first.setdefault(thing, pair) for pair, thing in enumerate(things))

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.queries)

    @property
    def images_per_example(self) -> int:
        """The query, the reference and the negatives."""
        return 2 + self.settings.negatives

    def example(self, draw: Draw) -> PairExample:
        """The pair of a draw, with negatives that the draw's seed chooses; no image comes twice among them."""
        rng = np.random.default_rng(draw.seed)
        chosen: list[int] = rng.choice(len(self.noise), self.settings.negatives, replace=False).tolist()
        label = self.labels[draw.example]
        return PairExample(
            images=(
                self.queries[draw.example],
                self.references[draw.example],
                *(self.noise[each] for each in chosen),
            ),
            labels=(label, label, *(FIRST_NOISE_LABEL + each for each in chosen)),
        )


def flattened(images_BVCHW: Tensor, labels_BV: Tensor) -> tuple[Tensor, Tensor]:
    """(BV, C, H, W) images and (BV,) labels, the images of an example side by side.

    So they are units of V rows, as `contrastive.ContrastiveLoss` wants them.

    Raises:
        UsageError: There is not one label for each image.
    """
    if images_BVCHW.shape[:2] != labels_BV.shape:
        found = f"images `{tuple(images_BVCHW.shape)}` and labels `{tuple(labels_BV.shape)}`"
        raise UsageError(f"one label for each image is needed; found {found}")
    return images_BVCHW.flatten(0, 1), labels_BV.flatten()


def _check(queries: list[str], references: list[str], noise: list[str], settings: SupervisedSettings) -> None:
    problems: list[str] = []
    if len(queries) != len(references):
        problems.append(f"{len(queries)} queries have {len(references)} references; one each is needed")
    if len(queries) > FIRST_NOISE_LABEL:
        problems.append(f"{len(queries)} pairs were given; at most {FIRST_NOISE_LABEL} are allowed")
    if len(noise) < settings.negatives:
        problems.append(f"{settings.negatives} negatives were asked for of {len(noise)} images")
    both = sorted({*queries, *references} & {*noise})
    if both:
        named = ", ".join(f"`{each}`" for each in both[:_SHOWN])
        problems.append(f"{len(both)} images of pairs are among the noise: {named}{' …' if len(both) > _SHOWN else ''}")
    if problems:
        raise UsageError("; ".join(problems))
