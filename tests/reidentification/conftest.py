"""Made photographs of made animals, and a network small enough to run in any test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

DrawAnimal = Callable[[int, int], Any]


@pytest.fixture(scope="session")
def animal() -> DrawAnimal:
    """Draws (H, W, 3): the coat of one animal, by number, as one photograph, by number, shows it."""

    def draw(individual: int, photograph: int, *, height: int = 96, width: int = 48) -> np.ndarray:
        coat = np.random.default_rng(individual)
        light = np.random.default_rng((individual, photograph))
        blobs = Image.fromarray(coat.integers(0, 256, (12, 6, 3), np.uint8)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        dots = np.array(blobs, np.float64)
        for row, column in zip(coat.integers(4, height - 8, 12), coat.integers(4, width - 8, 12), strict=True):
            dots[row : row + 5, column : column + 5] = coat.integers(0, 256, 3)
        shifted = np.roll(dots, tuple(light.integers(-2, 3, 2)), (0, 1)) * light.uniform(0.85, 1.1)
        return np.clip(shifted + light.normal(0, 6, shifted.shape), 0, 255).astype(np.uint8)

    return draw


@pytest.fixture
def herd(tmp_path: Path, animal: DrawAnimal) -> Path:
    """A folder per individual: eight with three photographs each."""
    for individual in range(8):
        for photograph in range(3):
            path = tmp_path / "herd" / f"animal{individual}" / f"{photograph}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(animal(individual, photograph)).save(path)
    return tmp_path / "herd"


@pytest.fixture(scope="session")
def small_network() -> Callable[..., Any]:
    """Makes a tiny network with random weights, in evaluation mode; keywords change its settings."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("timm")
    from podium.solutions.reidentification import network as networks

    def make(seed: int = 0, **changes: Any) -> Any:
        shape = {"architecture": "test_efficientnet", "levels": (3, 4), "height": 64, "width": 32, "neck": "none"}
        torch.manual_seed(seed)
        network = networks.build(networks.NetworkSettings(**(shape | changes)), weights="none")
        for name, buffer in network.named_buffers():
            # Norms as after some training, so that nothing is trivially 0 or 1.
            if name.endswith("running_mean"):
                buffer.copy_(0.1 * torch.randn(buffer.shape))
        return network.eval()

    return make


@pytest.fixture(scope="session")
def small_model(small_network: Callable[..., Any]) -> Any:
    """A model of one tiny network."""
    from podium.solutions.reidentification.model import InferenceSettings, Member, Model

    return Model(members=(Member(network=small_network()),), settings=InferenceSettings(batch=8))


@pytest.fixture(scope="session")
def blur() -> Callable[[np.ndarray], np.ndarray]:
    """Softens a photograph."""
    return lambda image: np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(6)))
