"""What is known of each test image: who is on it, from which side, when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from podium.challenges.whale_do import layout
from podium.types import Clip, DataSet

_NOBODY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """Facts by image id; an image that the metadata does not list has none.

    Attributes:
        viewpoints: ``top``, ``left`` or ``right``.
        dates: ``2018-08-03``.
        paths: Relative to the data set's folder.
        individuals: Whale ids; empty where the answers do not say.
        trained: The whales of the training set; None where it is not there.
    """

    viewpoints: Mapping[str, str]
    dates: Mapping[str, str]
    paths: Mapping[str, str]
    individuals: Mapping[str, str]
    trained: frozenset[str] | None = None

    def year(self, image: str) -> str:
        """The year of an image, or empty."""
        return self.dates.get(image, "")[:4]

    def familiarity(self, image: str) -> str:
        """``known`` where the training set shows the individual, ``new`` where not, empty where nobody can tell."""
        individual = self.individuals.get(image, "")
        if self.trained is None or not individual:
            return ""
        return "known" if individual in self.trained else "new"

    def clip(self, image: str) -> Clip:
        """The image, to show."""
        return Clip(item=image, path=self.paths.get(image, f"inputs/{layout.IMAGES}/{image}.jpg"))

    def note(self, image: str) -> str:
        """Short facts: ``whale012 · top · 2018-08-03``."""
        return joined(book.get(image, "") for book in (self.individuals, self.viewpoints, self.dates))


def read_facts(data: DataSet) -> Facts:
    """The facts in the inputs, and the individuals in the answers where they have them.

    Raises:
        ChallengeError: A file is missing or broken.
    """
    frame = layout.read_metadata(data.inputs / layout.METADATA)
    images: list[str] = frame["image_id"].to_list()
    return Facts(
        viewpoints=dict(zip(images, frame["viewpoint"].to_list(), strict=True)),
        dates=dict(zip(images, frame["date"].to_list(), strict=True)),
        paths={image: f"inputs/{path}" for image, path in zip(images, frame["path"].to_list(), strict=True)},
        individuals=_individuals(data),
        trained=_trained(data),
    )


def joined(facts: Iterable[str]) -> str:
    """The facts that there are, with dots between.

    >>> joined(["whale012", "", "top"])
    'whale012 · top'
    """
    return " · ".join(each for each in facts if each)


def _individuals(data: DataSet) -> Mapping[str, str]:
    path = data.answers / layout.METADATA
    if not path.exists():
        return _NOBODY
    frame = layout.read_metadata(path, labelled=True)
    return dict(zip(frame["image_id"].to_list(), frame["whale_id"].to_list(), strict=True))


def _trained(data: DataSet) -> frozenset[str] | None:
    path = data.public / layout.TRAIN / layout.METADATA
    if not path.exists():
        return None
    return frozenset(layout.read_metadata(path, labelled=True)["whale_id"].to_list())
