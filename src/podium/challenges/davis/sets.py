"""The official sequences of DAVIS by set, with their frames, so that a download can be checked and lists need not be.

Source: the lists and the frames of the DAVIS-2016 and DAVIS-2017 releases. Where only the totals of a set are known
here, only they are checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_TRAIN_2016 = (
    "bear 82, bmx-bumps 90, boat 75, breakdance-flare 71, bus 80, car-turn 80, dance-jump 60, dog-agility 25, "
    "drift-turn 64, elephant 80, flamingo 80, hike 80, hockey 75, horsejump-low 60, kite-walk 80, lucia 70, "
    "mallard-fly 70, mallard-water 80, motocross-bumps 60, motorbike 43, paragliding 70, rhino 90, rollerblade 35, "
    "scooter-gray 75, soccerball 48, stroller 91, surf 55, swing 60, tennis 70, train 80"
)
_VAL_2016 = (
    "blackswan 50, bmx-trees 80, breakdance 84, camel 90, car-roundabout 75, car-shadow 40, cows 104, dance-twirl 90, "
    "dog 60, drift-chicane 52, drift-straight 50, goat 90, horsejump-high 50, kite-surf 50, libby 49, "
    "motocross-jump 40, paragliding-launch 80, parkour 100, scooter-black 43, soapbox 99"
)
_VAL_2017_MORE = (
    "bike-packing 69, dogs-jump 66, gold-fish 78, india 81, judo 34, lab-coat 47, loading 50, mbike-trick 79, "
    "pigs 79, shooting 40"
)


def _counts(text: str) -> Mapping[str, int]:
    pairs = (each.rsplit(" ", 1) for each in text.split(", "))
    return MappingProxyType({name: int(count) for name, count in pairs})


TRAIN_2016 = _counts(_TRAIN_2016)
"""Frames of each training sequence of DAVIS-2016."""
VAL_2016 = _counts(_VAL_2016)
"""Frames of each validation sequence of DAVIS-2016; the contest's public test set."""
VAL_2017 = MappingProxyType({**VAL_2016, **_counts(_VAL_2017_MORE)})
"""Frames of each validation sequence of DAVIS-2017, which keeps those of 2016."""

TEMPORAL_VAL_2016 = (
    "blackswan",
    "camel",
    "car-roundabout",
    "car-shadow",
    "cows",
    "drift-straight",
    "kite-surf",
    "paragliding-launch",
    "scooter-black",
    "soapbox",
)
"""The validation sequences of DAVIS-2016 whose temporal stability T means something: nothing is hidden in them."""

ATTRIBUTES = MappingProxyType(
    {
        "AC": "appearance change",
        "BC": "background clutter",
        "CS": "camera shake",
        "DB": "dynamic background",
        "DEF": "deformation",
        "EA": "edge ambiguity",
        "FM": "fast motion",
        "HO": "heterogeneous object",
        "IO": "interacting objects",
        "LR": "low resolution",
        "MB": "motion blur",
        "OCC": "occlusion",
        "OV": "out of view",
        "ROT": "rotation",
        "SC": "shape complexity",
        "SV": "scale variation",
    }
)
"""The official names of what makes a sequence hard."""


@dataclass(frozen=True, kw_only=True)
class Total:
    """The size of an official set."""

    clips: int
    frames: int


TOTALS: Mapping[tuple[str, str], Total] = MappingProxyType(
    {
        ("2016", "train"): Total(clips=30, frames=2_079),
        ("2016", "val"): Total(clips=20, frames=1_376),
        ("2017", "train"): Total(clips=60, frames=4_209),
        ("2017", "val"): Total(clips=30, frames=1_999),
        ("2017", "test-dev"): Total(clips=30, frames=2_086),
    }
)
"""Size of each official set, by year and list."""

OFFICIAL: Mapping[str, int] = MappingProxyType({**TRAIN_2016, **VAL_2017})
"""Frames of every sequence whose number is known here."""


def frames_of(clip: str) -> int | None:
    """Frames of an official sequence; None where it is none, or not known here.

    >>> frames_of("bear"), frames_of("my-cat")
    (82, None)
    """
    return OFFICIAL.get(clip)
