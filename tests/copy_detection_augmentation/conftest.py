"""Pictures for the edits, and both ways of doing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from podium.solutions.copy_detection.augmentation import fonts, overlays, raster

Picture = Callable[..., np.ndarray]


@pytest.fixture
def picture() -> Picture:
    """Makes a picture of soft colours, edges and grain, (H, W, 3)."""

    def make(high: int = 64, wide: int = 80, *, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        rows, columns = np.mgrid[0:high, 0:wide] / max(high, wide)
        waves = [np.sin(each[0] * rows + each[1] * columns + each[2]) for each in rng.uniform(2, 12, size=(3, 3))]
        soft_HWC = 110 + 60 * np.stack(waves, axis=-1)
        soft_HWC[high // 4 : high // 2, wide // 3 : wide // 2] += 60
        grain_HWC = rng.normal(0, 4, size=(high, wide, 3))
        return np.clip(soft_HWC + grain_HWC, 0, 255).astype(np.uint8)

    return make


@pytest.fixture(params=["opencv", "pillow"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways in turn."""
    if request.param == "opencv":
        pytest.importorskip("cv2")
    else:
        monkeypatch.setattr(raster, "opencv", lambda: None)
    return str(request.param)


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without any of the fonts."""
    monkeypatch.setattr(fonts, "folders", lambda: ())
    kept = (fonts.found, fonts.load, overlays._glyph)
    for each in kept:
        each.cache_clear()
    yield
    for each in kept:
        each.cache_clear()
