"""Sound to numbers a second: log-mel spectrograms in the form of VGGish, and their mean and spread over each second.

16 kHz, windows of 25 ms (Hann) every 10 ms, magnitudes of a 512-point Fourier transform, 64 triangles evenly spaced on
the mel scale from 125 to 7,500 Hz, ``log(mel + 0.01)``. The 96 windows that begin within 0.96 s of a second's start are
its patch; a patch ends within its second, so that seconds do not share samples.
Source: Hershey et al., "CNN architectures for large-scale audio classification", ICASSP 2017, section 3.1.

Axes: S samples, T seconds, P windows of a second, B mel bins, K Fourier bins, M numbers of a second.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError

SAMPLES_PER_SECOND = 16_000
WINDOW_SAMPLES = 400
HOP_SAMPLES = 160
FOURIER_SAMPLES = 512
MEL_BINS = 64
LOWEST_HZ, HIGHEST_HZ = 125.0, 7_500.0
OFFSET = 0.01
PATCH_WINDOWS = 96
PATCH_SAMPLES = (PATCH_WINDOWS - 1) * HOP_SAMPLES + WINDOW_SAMPLES
DIMENSIONS = 2 * MEL_BINS

_BLOCK_SECONDS = 32
_HEARD_SHARE = 0.5


def mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Frequencies on the mel scale: ``1127 ln(1 + f / 700)``.

    >>> round(float(mel(1_000.0)))
    1000
    """
    return 1127.0 * np.log1p(np.asarray(hertz, dtype=np.float64) / 700.0)


@cache
def triangles() -> NDArray[np.float64]:
    """(K, B) the weight of each Fourier bin in each mel bin; their sides are straight on the mel scale."""
    bins_K = mel(np.arange(FOURIER_SAMPLES // 2 + 1) * SAMPLES_PER_SECOND / FOURIER_SAMPLES)
    edges = np.linspace(mel(LOWEST_HZ), mel(HIGHEST_HZ), MEL_BINS + 2)
    lower_B, middle_B, upper_B = edges[:-2], edges[1:-1], edges[2:]
    rising_KB = (bins_K[:, None] - lower_B) / (middle_B - lower_B)
    falling_KB = (upper_B - bins_K[:, None]) / (upper_B - middle_B)
    weights_KB = np.maximum(0.0, np.minimum(rising_KB, falling_KB))
    weights_KB.flags.writeable = False
    return weights_KB


def log_mel(samples_S: NDArray[np.floating]) -> NDArray[np.float64]:
    """(P, B) the log-mel spectrogram: one row for each window that fits.

    Args:
        samples_S: 16,000 a second, -1 to 1; at least one window's worth.

    Raises:
        UsageError: There are fewer samples than one window has.

    >>> log_mel(np.zeros(16_000)).shape
    (98, 64)
    """
    if samples_S.ndim != 1 or len(samples_S) < WINDOW_SAMPLES:
        raise UsageError(f"sound of the shape `{samples_S.shape}` is too short; (`{WINDOW_SAMPLES}`,) is needed")
    windows_PS = np.lib.stride_tricks.sliding_window_view(samples_S, WINDOW_SAMPLES)[::HOP_SAMPLES]
    hann_S = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES)
    magnitudes_PK = np.abs(np.fft.rfft(windows_PS * hann_S, FOURIER_SAMPLES))
    return np.log(magnitudes_PK @ triangles() + OFFSET)


def summarise(samples_S: NDArray[np.float32], *, seconds: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """What is heard in each second: (T, M), the mean of each mel bin over the patch, then the deviation of each.

    Args:
        samples_S: 16,000 a second, from second 0; may be shorter or longer than the seconds that are asked for.
        seconds: T, how many.

    Returns:
        The numbers, 0 where nothing is known; and (T,) True where at least half of a second's patch was there, the
        rest of which counts as silence.

    >>> numbers_TM, heard_T = summarise(np.zeros(24_000, dtype=np.float32), seconds=3)
    >>> numbers_TM.shape, heard_T.tolist()
    ((3, 128), [True, True, False])
    """
    numbers_TM = np.zeros((seconds, DIMENSIONS), dtype=np.float32)
    starts_T = np.arange(seconds) * SAMPLES_PER_SECOND
    heard_T = len(samples_S) - starts_T >= _HEARD_SHARE * PATCH_SAMPLES
    count = int(heard_T.sum())
    for first in range(0, count, _BLOCK_SECONDS):
        last = min(first + _BLOCK_SECONDS, count)
        block_S = samples_S[first * SAMPLES_PER_SECOND : last * SAMPLES_PER_SECOND]
        whole_S = np.pad(block_S.astype(np.float64), (0, (last - first) * SAMPLES_PER_SECOND - len(block_S)))
        for at, second_S in enumerate(whole_S.reshape(-1, SAMPLES_PER_SECOND)[:, :PATCH_SAMPLES], start=first):
            patch_PB = log_mel(second_S)
            numbers_TM[at] = np.concatenate([patch_PB.mean(axis=0), patch_PB.std(axis=0)])
    return numbers_TM, heard_T
