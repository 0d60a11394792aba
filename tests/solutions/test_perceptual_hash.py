"""The perceptual hash that the baseline is compared with."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.solutions.copy_detection.perceptual_hash import hash_frames


def picture(seed: int, *, height: int = 120, width: int = 160) -> np.ndarray:
    """Random patches of grey, each 8 x 10 pixels, (1, H, W, 3)."""
    patches = np.random.default_rng(seed).integers(20, 235, (-(-height // 8), -(-width // 10)))
    grey = np.kron(patches, np.ones((8, 10)))[:height, :width]
    return np.repeat(grey[None, :, :, None], 3, axis=3).astype(np.uint8)


def slow_bits(frame_HWC: np.ndarray, side: int) -> np.ndarray:
    """The same hash by its definition, one sum a wave; needs a frame whose edges are multiples of 4 x side."""
    edge = 4 * side
    height, width = frame_HWC.shape[:2]
    grey = frame_HWC @ np.array([0.299, 0.587, 0.114])
    small = grey.reshape(edge, height // edge, edge, width // edge).mean((1, 3))
    places = (2 * np.arange(edge) + 1) * np.pi / (2 * edge)
    weights = np.array(
        [
            [(small * np.outer(np.cos(v * places), np.cos(h * places))).sum() for h in range(1, side + 1)]
            for v in range(1, side + 1)
        ]
    )
    return (weights > np.median(weights)).reshape(-1)


@pytest.mark.parametrize("bits", [64, 256])
def test_bits_are_those_of_the_definition(bits: int) -> None:
    frames = picture(3, height=128, width=192)
    np.testing.assert_array_equal(hash_frames(frames, bits=bits)[0] > 0, slow_bits(frames[0], round(bits**0.5)))


@settings(max_examples=30, deadline=None)
@given(first=st.integers(0, 200), second=st.integers(0, 200))
def test_the_inner_product_counts_the_bits_that_differ(first: int, second: int) -> None:
    a, b = hash_frames(picture(first))[0], hash_frames(picture(second))[0]
    differ = int(((a > 0) != (b > 0)).sum())
    assert a.dtype == np.float32
    assert float(a @ b) == pytest.approx(1 - 2 * differ / 256, abs=1e-6)


def test_half_of_the_bits_are_set() -> None:
    assert (hash_frames(picture(1)) > 0).sum() == 128


def test_light_edits_leave_the_nearest_picture_the_nearest() -> None:
    bank = np.concatenate([hash_frames(picture(seed)) for seed in range(20)])
    original = picture(7).astype(np.float64)
    noisy = original + np.random.default_rng(0).normal(0, 10, original.shape)
    for edited in (original * 0.7 + 20, noisy, original[:, ::2, ::2]):
        similarity = (hash_frames(np.clip(edited, 0, 255).astype(np.uint8)) @ bank.T)[0]
        assert similarity.argmax() == 7
        assert similarity[7] > 0.8


def test_a_mirrored_picture_is_another_one_to_it() -> None:
    frames = picture(7)
    assert float((hash_frames(frames) @ hash_frames(frames[:, :, ::-1]).T)[0, 0]) < 0.5


def test_a_frame_of_one_colour_matches_nothing() -> None:
    flat = np.full((2, 40, 60, 3), 90, dtype=np.uint8)
    assert not hash_frames(flat).any()


def test_sizes_that_are_no_square_are_refused() -> None:
    with pytest.raises(UsageError, match="`101` bits"):
        hash_frames(picture(0), bits=101)
    with pytest.raises(UsageError, match="frames are"):
        hash_frames(picture(0)[0])
