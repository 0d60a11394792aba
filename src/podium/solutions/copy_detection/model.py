"""The fitted describer: backbone, pooling, whitening and score normalisation, in one folder of plain files.

```
model_assets/
  backbone.json  backbone.safetensors (or backbone.torchscript)
  settings.json  whitening.npz  noise.npy  noise.json
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

from podium.errors import UsageError
from podium.search.normalisation import ScoreNormaliser
from podium.solutions.copy_detection import backbone as backbones
from podium.solutions.copy_detection.backbone import Backbone
from podium.solutions.copy_detection.pooling import Pooling, embed
from podium.solutions.copy_detection.whitening import Whitening, unit_length

Role = Literal["query", "reference"]


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
        normalise: Whether to normalise similarities; takes the place of one dimension.
        beta: Weight of the normalisation.
        neighbours: Nearest noise rows that it averages.
    """

    frames_per_second: float = 1.0
    short_edge: int = 256
    pooling: Pooling = field(default_factory=Pooling)
    whitening_power: float = 0.5
    dimensions: int = 512
    shrinkage: float = 0.1
    normalise: bool = True
    beta: float = 1.2
    neighbours: int = 1

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
    """What turns frames into descriptors.

    Attributes:
        whitening: None, while it is being fitted, leaves embeddings as they are.
        normaliser: None leaves descriptors of queries and references alike.
    """

    backbone: Backbone
    settings: Settings
    whitening: Whitening | None
    normaliser: ScoreNormaliser | None

    def describe_frames(self, frames_THWC: NDArray[np.uint8], *, role: Role) -> NDArray[np.float32]:
        """(T, D) one descriptor a frame.

        Args:
            frames_THWC: RGB, of one video.
            role: Queries carry their bias, references a one; without normalisation both are alike.
        """
        return self.finish(embed(self.backbone, frames_THWC, pooling=self.settings.pooling), role=role)

    def finish(self, embeddings_NC: NDArray[np.float32], *, role: Role) -> NDArray[np.float32]:
        """(N, D) descriptors of embeddings.

        Raises:
            UsageError: Without whitening an embedding is too long for a descriptor.
        """
        if self.whitening is not None:
            rows_ND = self.whitening.apply(embeddings_NC)
        else:
            rows_ND = unit_length(embeddings_NC).astype(np.float32)
        if self.normaliser is None:
            return rows_ND
        return self.normaliser.queries(rows_ND) if role == "query" else self.normaliser.references(rows_ND)

    def save(self, folder: Path) -> None:
        """Writes everything that `load` needs into a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        self.backbone.save(folder)
        (folder / "settings.json").write_text(self.settings.to_json() + "\n")
        for name in ("whitening.npz", "noise.npy", "noise.json"):
            (folder / name).unlink(missing_ok=True)
        if self.whitening is not None:
            self.whitening.save(folder / "whitening.npz")
        if self.normaliser is not None:
            np.save(folder / "noise.npy", self.normaliser.noise_ND, allow_pickle=False)
            description = {
                "dropped_dimension": self.normaliser.dropped_dimension,
                "beta": self.normaliser.beta,
                "k": self.normaliser.k,
            }
            (folder / "noise.json").write_text(json.dumps(description) + "\n")

    @staticmethod
    def load(folder: Path, *, device: str = "cpu") -> Model:
        """The model that `save` wrote.

        Raises:
            UsageError: A file is missing or is not what it should be.
        """
        try:
            settings = Settings.from_json((folder / "settings.json").read_text())
            normaliser = None
            if settings.normalise:
                description = json.loads((folder / "noise.json").read_text())
                noise_ND = np.load(folder / "noise.npy", allow_pickle=False)
                normaliser = ScoreNormaliser(noise_ND=noise_ND, **description)
        except (OSError, TypeError, ValueError) as error:
            raise UsageError(f"`{folder}` holds no model: {error}") from error
        whitening = Whitening.load(folder / "whitening.npz")
        backbone = backbones.load_saved(folder, device=device)
        return Model(backbone=backbone, settings=settings, whitening=whitening, normaliser=normaliser)
