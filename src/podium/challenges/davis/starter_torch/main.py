"""Segments the frames of a run, one at a time, with the network that `train.py` left in model_assets/.

Reads /code_execution/data, writes /code_execution/{outputs/,paths.json,metadata.json}.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from data import HEIGHT, WIDTH, Row, read_pair, read_rows
from model import Segmenter, count_parameters
from PIL import Image
from safetensors import safe_open

# Unset in the official runtime; `podium run --sandbox process` puts everything below it.
ROOT = Path(os.environ.get("PODIUM_ROOT", "") + "/code_execution")
WEIGHTS = Path(__file__).resolve().parent / "model_assets" / "weights.safetensors"


def load(path: Path) -> tuple[Segmenter, tuple[int, int]]:
    """The trained network, ready to be asked, and the size that it wants frames in."""
    if not path.is_file():
        sys.exit(f"`{path}` is missing: train the network first with `python train.py --data DIR`")
    model = Segmenter()
    with safe_open(path, framework="pt") as file:
        told = file.metadata() or {}
        model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 - no mapping
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    return model, (int(told.get("height", HEIGHT)), int(told.get("width", WIDTH)))


@torch.inference_mode()
def segment(model: Segmenter, row: Row, size: tuple[int, int]) -> np.ndarray:
    """How sure each pixel of a frame is foreground, 0 to 1, (H, W) of the frame itself."""
    logits = model(read_pair(row, size)[None].to(model.device))
    with Image.open(row.frame) as frame:
        full = (frame.height, frame.width)
    logits = torch.nn.functional.interpolate(logits, size=full, mode="bilinear", align_corners=False)
    return logits.sigmoid()[0, 0].cpu().numpy()


def main() -> None:
    """Writes a mask for each frame under the frame's own row number."""
    model, size = load(WEIGHTS)
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
