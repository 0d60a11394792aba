"""The smallest valid submission: the same ellipse in the middle of every frame.

Reads /code_execution/data, writes /code_execution/{outputs/,paths.json,metadata.json}. Put your own `segment` in place
of this one. Needs numpy and pillow.
"""

import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

# Unset in the official runtime; `podium run --sandbox process` puts everything below it.
ROOT = Path(os.environ.get("PODIUM_ROOT", "") + "/code_execution")
DATA = ROOT / "data"
PARAMETERS = 0


def segment(frame: Image.Image) -> np.ndarray:
    """How sure each pixel is foreground, 0 to 1, (H, W): 0.5 on an ellipse of half the frame's height and width."""
    y_H1 = np.linspace(-2, 2, frame.height)[:, None]
    x_W = np.linspace(-2, 2, frame.width)
    return np.clip(1 - (x_W**2 + y_H1**2) / 2, 0, 1)


def levels(probability_HW: np.ndarray) -> np.ndarray:
    """Grey levels: 128 and above, which is foreground, from 0.5 on."""
    return np.minimum(probability_HW * 256, 255).astype(np.uint8)


def main() -> None:
    """Writes a mask for each frame, one at a time, under the frame's own row number."""
    frames: dict[str, str] = json.loads((DATA / "paths.json").read_text())["raw"]
    (ROOT / "outputs").mkdir(exist_ok=True)
    written: dict[str, str] = {}
    for row in sorted(frames, key=int):
        with Image.open(DATA / frames[row].replace("\\", "/")) as frame:
            mask_HW = levels(segment(frame))
        written[row] = f"outputs/{int(row):05}.png"
        Image.fromarray(mask_HW).save(ROOT / written[row])
    (ROOT / "paths.json").write_text(json.dumps({"output": written}))
    (ROOT / "metadata.json").write_text(json.dumps({"nparams": PARAMETERS}))


if __name__ == "__main__":
    main()
