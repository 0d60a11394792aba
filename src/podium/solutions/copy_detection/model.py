"""The fitted describer: backbone, pooling, whitening and comparison, in one folder of plain files.

```
model_assets/
  backbone.json  backbone.safetensors (or backbone.torchscript)
  settings.json  whitening.npz  noise.npz (with score normalisation)
```

Axes: T frames, H height, W width, C channels, N rows, D dimensions.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError, nearest
from podium.search.normalisation import ScoreNormaliser
from podium.solutions.copy_detection import backbone as backbones
from podium.solutions.copy_detection.backbone import Backbone
from podium.solutions.copy_detection.comparison import Comparison, Cosine, Distance
from podium.solutions.copy_detection.pooling import Pooling, embed
from podium.solutions.copy_detection.whitening import Whitening, unit_length

Role = Literal["query", "reference"]
COMPARISONS = ("distance", "cosine")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every choice of the baseline that is not in the weights.

    Attributes:
        frames_per_second: Rows of a video's second; 1 is what the rules allow.
        short_edge: Pixels to which frames are decoded.
        pooling: From frames to embeddings.
        whitening_power: 0.5 whitens; 0 only turns to the axes of largest variance and cuts to `dimensions`.
        dimensions: Of a descriptor, at most 512; fewer where the training rows span fewer.
        shrinkage: Of the whitening, 0 to 1.
        comparison: ``distance`` or ``cosine`` of whitened rows.
        normalise: Whether to normalise similarities by the training references. It pays where those are many and
            varied, as in the official data; off, because a few clips' worth of them makes it a loss.
        beta: Weight of the normalisation; 1.2 suits the cosine, 0.3 the distance.
        neighbours: Nearest noise rows that it averages.
    """

    frames_per_second: float = 1.0
    short_edge: int = 256
    pooling: Pooling = field(default_factory=Pooling)
    whitening_power: float = 0.5
    dimensions: int = 512
    shrinkage: float = 0.1
    comparison: str = "distance"
    normalise: bool = False
    beta: float = 0.3
    neighbours: int = 1

    def __post_init__(self) -> None:
        if self.comparison not in COMPARISONS:
            raise UsageError(f"no comparison is called `{self.comparison}`; {nearest(self.comparison, COMPARISONS)}")

    @property
    def whitened_dimensions(self) -> int:
        """How many of the dimensions the whitening may fill; a distance needs two for itself."""
        return self.dimensions - 2 if self.comparison == "distance" else self.dimensions

    def to_json(self) -> str:
        """JSON text that `from_json` reads."""
        return json.dumps(asdict(self), indent=1)

    @staticmethod
    def from_json(text: str) -> Settings:
        """The settings that `to_json` wrote.

        Raises:
            UsageError: The text is not such JSON, or names a setting that does not exist.
        """
        try:
            raw = json.loads(text)
            pooling = raw.pop("pooling")
            pooling["sizes"] = tuple(pooling["sizes"])
            return Settings(pooling=Pooling(**pooling), **raw)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UsageError(f"these are no settings of the baseline: {error}") from error


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """What turns frames into descriptors."""

    backbone: Backbone
    settings: Settings
    whitening: Whitening
    comparison: Comparison

    def describe_frames(self, frames_THWC: NDArray[np.uint8], *, role: Role) -> NDArray[np.float32]:
        """(T, D) one descriptor a frame.

        Args:
            frames_THWC: RGB, of one video.
            role: Queries and references are written differently, so that their inner product is the similarity.
        """
        return self.finish(embed(self.backbone, frames_THWC, pooling=self.settings.pooling), role=role)

    def finish(self, embeddings_NC: NDArray[np.float32], *, role: Role) -> NDArray[np.float32]:
        """(N, D) descriptors of embeddings.

        Raises:
            UsageError: The embeddings have another length than those the whitening was fitted on.
        """
        rows_ND = self.whitening.project(embeddings_NC)
        return self.comparison.queries(rows_ND) if role == "query" else self.comparison.references(rows_ND)

    def save(self, folder: Path) -> None:
        """Writes everything that `load` needs into a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        self.backbone.save(folder)
        (folder / "settings.json").write_text(self.settings.to_json() + "\n")
        self.whitening.save(folder / "whitening.npz")
        noise_ND = getattr(self.comparison, "noise_ND", None)
        if noise_ND is None:
            (folder / "noise.npz").unlink(missing_ok=True)
        else:
            dropped = getattr(self.comparison, "dropped_dimension", -1)
            np.savez(folder / "noise.npz", noise=noise_ND, dropped_dimension=dropped)

    @staticmethod
    def load(folder: Path, *, device: str = "cpu") -> Model:
        """The model that `save` wrote.

        Raises:
            UsageError: A file is missing or is not what it should be.
        """
        try:
            settings = Settings.from_json((folder / "settings.json").read_text())
            noise_ND, dropped = None, -1
            if settings.normalise:
                with np.load(folder / "noise.npz", allow_pickle=False) as kept:
                    noise_ND, dropped = kept["noise"], int(kept["dropped_dimension"])
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise UsageError(f"`{folder}` holds no model: {error}") from error
        whitening = Whitening.load(folder / "whitening.npz")
        comparison = _comparison(settings, noise_ND, dropped)
        backbone = backbones.load_saved(folder, device=device)
        return Model(backbone=backbone, settings=settings, whitening=whitening, comparison=comparison)


def fit_comparison(settings: Settings, noise_ND: NDArray[np.float32]) -> Comparison:
    """The comparison that the settings ask for.

    Args:
        settings: Say which, and whether it normalises.
        noise_ND: Whitened rows of independent references.
    """
    if not settings.normalise:
        return _comparison(settings, None, -1)
    neighbours = min(settings.neighbours, len(noise_ND))
    if settings.comparison == "cosine":
        # Whitened rows vary alike in every dimension; at unit length one is really the least.
        return ScoreNormaliser.fit(unit_length(noise_ND), beta=settings.beta, k=neighbours)
    return Distance(noise_ND=noise_ND, beta=settings.beta, k=neighbours)


def _comparison(settings: Settings, noise_ND: NDArray[np.float32] | None, dropped: int) -> Comparison:
    if noise_ND is None:
        return Cosine() if settings.comparison == "cosine" else Distance()
    neighbours = min(settings.neighbours, len(noise_ND))
    if settings.comparison == "distance":
        return Distance(noise_ND=noise_ND, beta=settings.beta, k=neighbours)
    return ScoreNormaliser(noise_ND=noise_ND, dropped_dimension=dropped, beta=settings.beta, k=neighbours)
