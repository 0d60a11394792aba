"""Segments the frames of a run, one at a time, with the network that `train.py` left in model_assets/.

Reads /code_execution/data, writes /code_execution/{outputs/,paths.json,metadata.json}.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
from backend import keras
from data import Row, read_pair, read_rows
from model import build, count_parameters
from PIL import Image

# Unset in the official runtime; `podium run --sandbox process` puts everything below it.
ROOT = Path(os.environ.get("PODIUM_ROOT", "") + "/code_execution")
ASSETS = Path(__file__).resolve().parent / "model_assets"


def load(folder: Path) -> tuple[keras.Model, tuple[int, int]]:
    """The trained network, and the size that it wants frames in."""
    path = folder / "model.weights.h5"
    if not path.is_file():
        sys.exit(f"`{path}` is missing: train the network first with `python train.py --data DIR`")
    size = json.loads((folder / "input.json").read_text())
    model = build()
    model.load_weights(path)
    return model, (size["height"], size["width"])


def segment(model: keras.Model, row: Row, size: tuple[int, int]) -> np.ndarray:
    """How sure each pixel of a frame is foreground, 0 to 1, (H, W) of the frame itself."""
    probability_HW = np.asarray(model.predict_on_batch(read_pair(row, size)[None])[0, :, :, 0], np.float32)
    with Image.open(row.frame) as frame:
        full = (frame.width, frame.height)
    return np.asarray(Image.fromarray(probability_HW).resize(full, Image.Resampling.BILINEAR))


def main() -> None:
    """Writes a mask for each frame under the frame's own row number."""
    model, size = load(ASSETS)
    (ROOT / "outputs").mkdir(exist_ok=True)
    written = {}
    for row in read_rows(ROOT / "data"):
        # So that 0.5 becomes 128, the first level that counts as foreground.
        levels = np.minimum(segment(model, row, size) * 256, 255).astype(np.uint8)
        written[str(row.number)] = f"outputs/{row.number:05}.png"
        Image.fromarray(levels).save(ROOT / written[str(row.number)])
    (ROOT / "paths.json").write_text(json.dumps({"output": written}))
    (ROOT / "metadata.json").write_text(json.dumps({"nparams": count_parameters(model)}))


if __name__ == "__main__":
    main()
