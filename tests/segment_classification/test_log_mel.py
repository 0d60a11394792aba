"""The log-mel front against sums written out, and what each second is said to hold."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.solutions.segment_classification.footage import log_mel


def plain_log_mel(samples: list[float]) -> list[list[float]]:
    """Every window's discrete Fourier transform as a sum, every triangle by its corners."""
    low, high = (1127 * math.log(1 + hertz / 700) for hertz in (125, 7_500))
    corners = [low + (high - low) * k / 65 for k in range(66)]
    rows = []
    for start in range(0, len(samples) - 400 + 1, 160):
        window = [samples[start + k] * (0.5 - 0.5 * math.cos(2 * math.pi * k / 400)) for k in range(400)]
        magnitudes = [
            abs(sum(value * cmath.exp(-2j * math.pi * bin_ * k / 512) for k, value in enumerate(window)))
            for bin_ in range(257)
        ]
        row = []
        for left, middle, right in zip(corners, corners[1:], corners[2:], strict=False):
            total = 0.0
            for bin_ in range(1, 257):
                at = 1127 * math.log(1 + bin_ * 16_000 / 512 / 700)
                if left < at <= middle:
                    total += magnitudes[bin_] * (at - left) / (middle - left)
                elif middle < at < right:
                    total += magnitudes[bin_] * (right - at) / (right - middle)
            row.append(math.log(total + 0.01))
        rows.append(row)
    return rows


def test_the_spectrogram_is_the_sum_written_out() -> None:
    rng = np.random.default_rng(0)
    samples = 0.3 * np.sin(2 * np.pi * 700 * np.arange(720) / 16_000) + rng.normal(0, 0.05, 720)
    found = log_mel.log_mel(samples)
    assert found.shape == (3, 64)
    np.testing.assert_allclose(found, plain_log_mel(samples.tolist()), atol=1e-9)


def test_silence_is_the_logarithm_of_the_offset() -> None:
    np.testing.assert_allclose(log_mel.log_mel(np.zeros(800)), math.log(0.01))


@pytest.mark.parametrize("hertz", [300.0, 1_000.0, 3_000.0, 6_500.0])
def test_a_tone_is_loudest_in_the_bin_around_it(hertz: float) -> None:
    row = log_mel.log_mel(np.sin(2 * np.pi * hertz * np.arange(4_000) / 16_000)).mean(axis=0)
    edges = np.linspace(log_mel.mel(125.0), log_mel.mel(7_500.0), 66)
    at = int(row.argmax())
    assert edges[at] <= log_mel.mel(hertz) <= edges[at + 2]


def test_every_bin_has_weight_and_the_constant_has_none() -> None:
    weights = log_mel.triangles()
    assert weights.shape == (257, 64)
    assert not weights[0].any()
    assert (weights.sum(axis=0) > 0).all()
    assert weights.min() >= 0
    assert weights.max() <= 1


def test_a_second_is_the_mean_and_the_deviation_of_its_own_96_windows() -> None:
    rng = np.random.default_rng(1)
    samples = rng.normal(0, 0.1, 40 * 16_000).astype(np.float32)
    numbers, heard = log_mel.summarise(samples, seconds=40)
    assert numbers.shape == (40, 128)
    assert heard.all()
    for second in (0, 31, 32, 39):
        patch = log_mel.log_mel(samples[second * 16_000 : second * 16_000 + 15_600].astype(np.float64))
        assert len(patch) == 96
        np.testing.assert_allclose(numbers[second, :64], patch.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(numbers[second, 64:], patch.std(axis=0), atol=1e-5)


def test_a_second_knows_nothing_of_the_others() -> None:
    rng = np.random.default_rng(2)
    samples = rng.normal(0, 0.1, 5 * 16_000).astype(np.float32)
    before, _ = log_mel.summarise(samples, seconds=5)
    samples[2 * 16_000 : 3 * 16_000] = 0.9
    after, _ = log_mel.summarise(samples, seconds=5)
    changed = (before != after).any(axis=1)
    assert changed.tolist() == [False, False, True, False, False]


@given(length=st.integers(0, 70_000), seconds=st.integers(0, 5))
def test_seconds_are_heard_where_half_their_patch_is_there(length: int, seconds: int) -> None:
    numbers, heard = log_mel.summarise(np.full(length, 0.1, dtype=np.float32), seconds=seconds)
    wanted = [length - second * 16_000 >= 7_800 for second in range(seconds)]
    assert heard.tolist() == wanted
    assert not numbers[~heard].any()
    assert np.isfinite(numbers).all()


def test_too_little_sound_is_refused() -> None:
    with pytest.raises(UsageError, match="`400`"):
        log_mel.log_mel(np.zeros(399))
