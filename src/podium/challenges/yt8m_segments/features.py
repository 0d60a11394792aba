"""Features of each second: what classes and settings look and sound like, and all that disturbs.

The features of a frame are a sum: the style of the video, the camera's way through the scene, noise, and what is to be
seen: in a close-up one of the looks of the class, in other scenes the setting of the theme. Looks lie in a
subspace of few dimensions. Together the variance of each dimension is about 1, as whitening makes it.

Nothing here is a matrix product, so that the same numbers come out whatever the number of threads.

Legend: T seconds, S scenes, C classes, J looks of a class, G themes, Q dimensions of the subspace, D the 1,152
dimensions, 1,024 of pictures and 128 of sound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.challenges.yt8m_segments.population import FRAMES, LOOKS, Population, generator
from podium.challenges.yt8m_segments.scripts import NOTHING, Script
from podium.formats.tfrecord import RGB_DIMENSIONS, quantise

DIMENSIONS = 1_152

_APPEARANCES = 3
_SETTINGS = 3
_SIDES_A_VIDEO = 2
_RGB_LENGTH, _AUDIO_LENGTH = 5.0, 2.0
"""How far a look is from nothing, where the noise of each dimension is 1."""
_OF_FAMILY, _OF_LOOK, _OF_CLASS = 0.8, 0.6, 0.15
"""Shares of the family, of the look and of the class itself in a look."""
_JITTER = 0.6
"""Of the length of a look: how much each scene differs, within the subspace."""
_SETTING_LENGTH, _FAINT_SETTING = 0.5, 0.1
_STYLE, _SCENE, _DRIFT, _NOISE = 0.02**0.5, 0.68**0.5, 0.6**0.5, 0.25**0.5
_HEARD_P = (0.35, 0.35, 0.30)
"""Classes that are hardly heard, heard and seen, and hardly seen."""
_RGB_GAIN, _AUDIO_GAIN = (1.0, 0.9, 0.55), (0.15, 0.8, 1.6)


@dataclass(frozen=True, kw_only=True, eq=False)
class Looks:
    """What everything looks and sounds like.

    Attributes:
        classes_CJD: float32, the looks of each class.
        settings_GJD: float32, the settings of each theme.
        basis_QD: float32, rows that span the subspace of looks, scaled to the jitter of a scene.
    """

    classes_CJD: NDArray[np.float32]
    settings_GJD: NDArray[np.float32]
    basis_QD: NDArray[np.float32]


def draw(population: Population, *, seed: int, difficulty: float) -> Looks:
    """The looks of a data set.

    Args:
        population: The classes.
        seed: Of the data set.
        difficulty: 0 to 1; beside the looks, noise is half as strong at 0 as at 0.5, and half as much again at 1.
    """
    rng = generator(seed, LOOKS)
    ease = 1.0 / (0.5 + difficulty)
    families = int(population.family_C.max()) + 1
    heard_F = rng.choice(len(_HEARD_P), size=families, p=_HEARD_P)
    heard_C = heard_F[population.family_C]
    rgb = _part(population, RGB_DIMENSIONS, ease * _RGB_LENGTH, np.array(_RGB_GAIN)[heard_C], rng)
    audio = _part(population, DIMENSIONS - RGB_DIMENSIONS, ease * _AUDIO_LENGTH, np.array(_AUDIO_GAIN)[heard_C], rng)
    basis_QD = np.zeros((len(rgb.basis_QD) + len(audio.basis_QD), DIMENSIONS), dtype=np.float32)
    basis_QD[: len(rgb.basis_QD), :RGB_DIMENSIONS] = rgb.basis_QD
    basis_QD[len(rgb.basis_QD) :, RGB_DIMENSIONS:] = audio.basis_QD
    return Looks(
        classes_CJD=np.concatenate([rgb.classes_CJD, audio.classes_CJD], axis=-1),
        settings_GJD=np.concatenate([rgb.settings_GJD, audio.settings_GJD], axis=-1),
        basis_QD=basis_QD,
    )


def _part(
    population: Population, dimensions: int, length: float, gain_C: NDArray[np.float64], rng: np.random.Generator
) -> Looks:
    """Pictures alone, or sound alone."""
    classes, themes = len(population.names), len(population.general_G)
    families = int(population.family_C.max()) + 1
    rank = min(dimensions // 4, 16 + families)
    basis_QD = _directions(rng, rank, dimensions)
    family_FD = _inside(rng, basis_QD, (families,))[:, None]
    look_FJD = _inside(rng, basis_QD, (families, _APPEARANCES))
    class_CD = _inside(rng, basis_QD, (classes,))[:, None]
    looks_FJD = _OF_FAMILY * family_FD + _OF_LOOK * look_FJD
    looks_CJD = looks_FJD[population.family_C] + _OF_CLASS * class_CD
    settings_GJD = _inside(rng, basis_QD, (themes,))[:, None] + 0.5 * _inside(rng, basis_QD, (themes, _SETTINGS))
    return Looks(
        classes_CJD=(looks_CJD * (length * gain_C)[:, None, None]).astype(np.float32),
        settings_GJD=(settings_GJD * (length * _SETTING_LENGTH)).astype(np.float32),
        basis_QD=(basis_QD * (length * _JITTER / rank**0.5)).astype(np.float32),
    )


def film(script: Script, looks: Looks, *, seed: int, split: int, number: int) -> NDArray[np.uint8]:
    """(T, 1152) uint8: the features of each second of a video, quantised.

    Args:
        script: What happens.
        looks: Of the data set.
        seed: Of the data set.
        split: Code of the split.
        number: Of the video in it.
    """
    rng = generator(seed, FRAMES, split, number)
    scenes = script.scenes
    count = len(scenes.start_S)
    frames_TD = np.empty((script.frames, DIMENSIONS), dtype=np.float32)
    rng.standard_normal(dtype=np.float32, out=frames_TD)
    frames_TD *= np.float32(_NOISE)
    still_SD = _still(script, looks, rng)
    drift_SD = np.float32(_DRIFT) * rng.standard_normal((count, DIMENSIONS), dtype=np.float32)
    for scene in range(count):
        begin, end = int(scenes.start_S[scene]), int(scenes.end_S[scene])
        way_T = (np.arange(end - begin, dtype=np.float32) + np.float32(0.5)) / np.float32(end - begin) - np.float32(0.5)
        frames_TD[begin:end] += still_SD[scene]
        frames_TD[begin:end] += way_T[:, None] * drift_SD[scene]
    return quantise(frames_TD)


def _still(script: Script, looks: Looks, rng: np.random.Generator) -> NDArray[np.float32]:
    """(S, D) the middle of each scene."""
    scenes = script.scenes
    count = len(scenes.start_S)
    still_SD = np.float32(_SCENE) * rng.standard_normal((count, DIMENSIONS), dtype=np.float32)
    still_SD += np.float32(_STYLE) * rng.standard_normal(DIMENSIONS, dtype=np.float32)
    settings_JD = looks.settings_GJD[script.theme]
    still_SD += settings_JD[rng.integers(len(settings_JD), size=count)] * np.where(
        scenes.setting_S, np.float32(1.0), np.float32(_FAINT_SETTING)
    )[:, None].astype(np.float32)
    # A video shows each class from few sides.
    sides_CV = rng.integers(looks.classes_CJD.shape[1], size=(len(looks.classes_CJD), _SIDES_A_VIDEO))
    side_S = sides_CV[scenes.shown_S, rng.integers(_SIDES_A_VIDEO, size=count)]
    close = np.flatnonzero(scenes.shown_S != NOTHING)
    still_SD[close] += looks.classes_CJD[scenes.shown_S[close], side_S[close]]
    jitter_SQ = rng.standard_normal((count, len(looks.basis_QD)), dtype=np.float32)
    still_SD += np.einsum("sq,qd->sd", jitter_SQ, looks.basis_QD, optimize=False)
    return still_SD


def _directions(rng: np.random.Generator, rank: int, dimensions: int) -> NDArray[np.float64]:
    """(Q, D) rows of length 1, nearly at right angles to each other."""
    rows_QD = rng.standard_normal((rank, dimensions))
    return rows_QD / np.sqrt((rows_QD**2).sum(axis=1, keepdims=True))


def _inside(rng: np.random.Generator, basis_QD: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Random vectors of length 1 in the span of some rows."""
    weights = rng.standard_normal((*shape, len(basis_QD)))
    vectors = np.einsum("...q,qd->...d", weights, basis_QD, optimize=False)
    return vectors / np.sqrt((vectors**2).sum(axis=-1, keepdims=True))
