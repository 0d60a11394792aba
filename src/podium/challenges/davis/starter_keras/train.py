"""Trains the network and leaves its weights where `main.py` looks for them.

python train.py --data data/davis --epochs 20
"""

import argparse
import json
import logging
from pathlib import Path

import numpy as np
from backend import keras
from data import HEIGHT, WIDTH, Frames, read_rows, split
from model import build, count_parameters, frame_ious, loss_of

HERE = Path(__file__).resolve().parent
WEIGHTS = "model_assets/model.weights.h5"

log = logging.getLogger("train")


class Steps(keras.callbacks.Callback):
    """Writes one line for each step, and ends the training after `limit` of them."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self.total, self.done = total, 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:  # noqa: ARG002
        self.done += 1
        log.info("step %d/%d loss %.4f", self.done, self.total, float((logs or {})["loss"]))
        if self.done >= self.total:
            self.model.stop_training = True


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with paths.json, or Podium's data set")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=-1, help="stop after that many batches")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--height", type=int, default=HEIGHT, help="of the network's input, a multiple of 8")
    parser.add_argument("--width", type=int, default=WIDTH, help="a multiple of 8")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE, help="gets model_assets/ and model.json; this folder if none")
    return parser.parse_args()


def main() -> None:
    """Trains, judges by the held-out clips and exports."""
    asked = arguments()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    keras.utils.set_random_seed(asked.seed)
    size = asked.height, asked.width
    rows, held_out = split(read_rows(asked.data), seed=asked.seed)
    frames = Frames(rows, batch=asked.batch, size=size, training=True, seed=asked.seed)
    if not len(frames):
        raise SystemExit(f"`{asked.data}` has no frame with a mask to train on")
    model = build()
    model.compile(optimizer=keras.optimizers.AdamW(1e-3, weight_decay=1e-2, clipnorm=1.0), loss=loss_of)
    total = len(frames) * asked.epochs if asked.steps < 0 else min(asked.steps, len(frames) * asked.epochs)
    # One epoch at most as long as what is left, so that the last step of all is the last step taken.
    model.fit(
        frames,
        epochs=-(-total // len(frames)),
        steps_per_epoch=min(len(frames), total),
        callbacks=[Steps(total)],
        verbose=0,
    )
    judge(model, Frames(held_out, batch=asked.batch, size=size))
    export(model, asked.out, size=size)


def judge(model: keras.Model, frames: Frames) -> None:
    """Says how well the network does on held-out clips."""
    found = [frame_ious(model.predict_on_batch(x) >= 0.5, y >= 0.5) for x, y in (frames[n] for n in range(len(frames)))]
    if found:
        log.info("held-out clips: mean IoU %.4f", float(np.concatenate(found).mean()))


def export(model: keras.Model, folder: Path, *, size: tuple[int, int]) -> None:
    """Writes the weights alone, and `model.json`, which says where all weights of the submission lie."""
    path = folder / WEIGHTS
    path.parent.mkdir(parents=True, exist_ok=True)
    bare = build()
    bare.set_weights(model.get_weights())
    bare.save_weights(path)
    (path.parent / "input.json").write_text(json.dumps({"height": size[0], "width": size[1]}) + "\n")
    (folder / "model.json").write_text(json.dumps({"weights": [WEIGHTS]}) + "\n")
    log.info("%s: %d parameters", path, count_parameters(model))


if __name__ == "__main__":
    main()
