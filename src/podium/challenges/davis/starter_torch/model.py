"""A small U-Net over a frame and the one before it. Put your own network in place of this one.

Axes: N batch, 6 channels in, 1 out, H height, W width.
"""

import lightning
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate

MEAN = (0.485, 0.456, 0.406)
SPREAD = (0.229, 0.224, 0.225)


class Block(nn.Sequential):
    """Two convolutions. GroupNorm keeps no running statistics, so that every number in the file is a parameter."""

    def __init__(self, taken: int, given: int) -> None:
        layers: list[nn.Module] = []
        for each in (taken, given):
            layers += [nn.Conv2d(each, given, 3, padding=1, bias=False), nn.GroupNorm(8, given), nn.SiLU()]
        super().__init__(*layers)


class Segmenter(lightning.LightningModule):
    """Logits (N, 1, H, W) of the foreground for frames (N, 6, H, W), 0 to 1; H and W are multiples of 8."""

    mean: Tensor
    spread: Tensor

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 96), learning_rate: float = 1e-3) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.register_buffer("mean", torch.tensor(MEAN * 2)[:, None, None], persistent=False)
        self.register_buffer("spread", torch.tensor(SPREAD * 2)[:, None, None], persistent=False)
        self.down = nn.ModuleList(Block(taken, given) for taken, given in zip((6, *widths), widths, strict=False))
        up = zip(widths[:0:-1], widths[-2::-1], strict=True)
        self.up = nn.ModuleList(Block(deep + shallow, shallow) for deep, shallow in up)
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """The logits of frames."""
        x = (frames - self.mean) / self.spread
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(nn.functional.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            x = block(torch.cat([interpolate(x, size=skip.shape[-2:], mode="nearest"), skip], dim=1))
        return self.head(x)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The loss of a batch."""
        frames, masks = batch
        loss = loss_of(self(frames), masks)
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Logs the mean IoU of the held-out frames."""
        frames, masks = batch
        values = frame_ious(self(frames) >= 0, masks >= 0.5)
        if len(values):
            self.log("mean_iou", values.mean(), batch_size=len(values), prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW over all parameters."""
        return torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=1e-2)


def loss_of(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy of pixels plus one minus the soft IoU of frames."""
    probability = logits.sigmoid()
    shared = (probability * masks).sum((1, 2, 3))
    union = (probability + masks - probability * masks).sum((1, 2, 3))
    return binary_cross_entropy_with_logits(logits, masks) + (1 - (shared + 1) / (union + 1)).mean()


def frame_ious(predicted: Tensor, masks: Tensor) -> Tensor:
    """The contest's IoU of each frame; a frame that both leave empty takes no part."""
    shared = (predicted & masks).flatten(1).sum(1)
    union = (predicted | masks).flatten(1).sum(1)
    return shared[union > 0] / union[union > 0]


def count_parameters(model: nn.Module) -> int:
    """The parameters of all parts, frozen ones as well."""
    return sum(each.numel() for each in model.parameters())
