"""Trains the network and leaves its weights where `main.py` looks for them.

python train.py --data data/davis --epochs 20
"""

import argparse
import json
import logging
from pathlib import Path

import lightning
from data import HEIGHT, WIDTH, ClipData
from lightning.pytorch.callbacks import Callback
from model import Segmenter, count_parameters
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
WEIGHTS = "model_assets/weights.safetensors"

log = logging.getLogger("train")


class Steps(Callback):
    """Writes one line for each step of the training."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:  # noqa: ARG002
        total = int(trainer.estimated_stepping_batches)
        log.info("step %d/%d loss %.4f", trainer.global_step, total, float(trainer.callback_metrics["loss"]))

    def on_validation_epoch_end(self, trainer, pl_module) -> None:  # noqa: ARG002
        if "mean_iou" in trainer.callback_metrics:
            log.info("held-out clips: mean IoU %.4f", float(trainer.callback_metrics["mean_iou"]))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with paths.json, or Podium's data set")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=-1, help="stop after that many batches")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--height", type=int, default=HEIGHT, help="of the network's input, a multiple of 8")
    parser.add_argument("--width", type=int, default=WIDTH, help="a multiple of 8")
    parser.add_argument("--workers", type=int, default=0, help="processes that read frames")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE, help="gets model_assets/ and model.json; this folder if none")
    return parser.parse_args()


def main() -> None:
    """Trains and exports."""
    asked = arguments()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    lightning.seed_everything(asked.seed, workers=True, verbose=False)
    data = ClipData(
        asked.data, batch=asked.batch, size=(asked.height, asked.width), workers=asked.workers, seed=asked.seed
    )
    model = Segmenter()
    trainer = lightning.Trainer(
        max_epochs=asked.epochs,
        max_steps=asked.steps,
        accelerator="auto",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        gradient_clip_val=1.0,
        callbacks=[Steps()],
    )
    trainer.fit(model, datamodule=data)
    export(model, asked.out, size=(asked.height, asked.width))


def export(model: Segmenter, folder: Path, *, size: tuple[int, int]) -> None:
    """Writes the weights, and `model.json`, which says where all weights of the submission lie."""
    path = folder / WEIGHTS
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: each.detach().cpu().contiguous() for name, each in model.state_dict().items()}
    save_file(tensors, path, metadata={"height": str(size[0]), "width": str(size[1])})
    (folder / "model.json").write_text(json.dumps({"weights": [WEIGHTS]}) + "\n")
    log.info("%s: %d parameters", path, count_parameters(model))


if __name__ == "__main__":
    main()
