"""What a network is told about its mask: pixel by pixel, as a region, and along its boundary.

Pixels near the boundary count more, in both of the first two (Wei et al., "F3Net: Fusion, Feedback and Focus for
Salient Object Detection", AAAI 2020). The boundary loss is one minus a soft F of the two boundaries (Bokhovkin and
Burnaev, "Boundary Loss for Remote Sensing Imagery Semantic Segmentation", 2019), which is what DAVIS measures.

Every sum is over pixels that are `valid`.

Axes: N batch, H height, W width; the 1 is the mask's only channel.
"""

from __future__ import annotations

from dataclasses import dataclass

from podium.errors import MachineError, UsageError
from podium.solutions.object_segmentation.network import Output

try:
    import torch
    from torch import Tensor
    from torch.nn import functional
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error

_SMALL = 1.0


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """The parts of the loss.

    Attributes:
        pixels: Weight of the cross-entropy.
        region: Weight of one minus the soft intersection over union.
        boundary: Weight of one minus the soft boundary F.
        emphasis: How much more a pixel counts where its surroundings are all of the other kind; 0 weighs all alike.
        window: Side of the surroundings in pixels, odd.
        tolerance: How far apart boundaries may lie and still match, in pixels, 1 or more.
        side: Weights of the coarse maps, finest first; what is left out counts 0.
    """

    pixels: float = 1.0
    region: float = 1.0
    boundary: float = 0.2
    emphasis: float = 4.0
    window: int = 15
    tolerance: int = 2
    side: tuple[float, ...] = (0.5, 0.25, 0.125)

    def __post_init__(self) -> None:
        if min(self.pixels, self.region, self.boundary, self.emphasis, *self.side, 0.0) < 0:
            raise UsageError("the weights of a loss must be at least 0")
        if self.pixels + self.region + self.boundary <= 0:
            raise UsageError("`pixels`, `region` and `boundary` are all 0; nothing would be learned")
        if self.window < 1 or self.window % 2 == 0 or self.tolerance < 1:
            raise UsageError(
                f"`window` is `{self.window}`, `tolerance` `{self.tolerance}`; an odd number and 1 or more are needed"
            )


def loss(output: Output, mask_N1HW: Tensor, valid_N1HW: Tensor, settings: LossSettings) -> Tensor:
    """All parts of the loss of a batch, one number.

    Args:
        output: Of the network.
        mask_N1HW: 0 or 1.
        valid_N1HW: 0 where nothing is known or there is no picture.
        settings: The weights.
    """
    logits_N1HW = output.logits_N1HW.float()
    total = region_and_pixels(logits_N1HW, mask_N1HW, valid_N1HW, settings)
    if settings.boundary > 0:
        total = total + settings.boundary * boundary_loss(
            logits_N1HW.sigmoid(), mask_N1HW, valid_N1HW, tolerance=settings.tolerance
        )
    for weight, side_N1HW in zip(settings.side, output.side, strict=False):
        if weight > 0:
            small_N1HW, there_N1HW = shrunk(mask_N1HW, valid_N1HW, side_N1HW.shape[-2:])
            total = total + weight * region_and_pixels(side_N1HW.float(), small_N1HW, there_N1HW, settings)
    return total


def region_and_pixels(logits_N1HW: Tensor, mask_N1HW: Tensor, valid_N1HW: Tensor, settings: LossSettings) -> Tensor:
    """Cross-entropy and soft intersection over union, weighed and added; the mask may have values between 0 and 1."""
    emphasis_N1HW = emphasised(mask_N1HW, valid_N1HW, settings)
    pixels = pixel_loss(logits_N1HW, mask_N1HW, emphasis_N1HW)
    return settings.pixels * pixels + settings.region * region_loss(logits_N1HW.sigmoid(), mask_N1HW, emphasis_N1HW)


def emphasised(mask_N1HW: Tensor, valid_N1HW: Tensor, settings: LossSettings) -> Tensor:
    """The weight of each pixel: 1 plus `emphasis` times how much the mean of its surroundings is another; 0 if invalid.

    The surroundings end at the picture's edge and leave out what is not valid.
    """
    if settings.emphasis <= 0:
        return valid_N1HW
    # A small map has as much of the object in a smaller window.
    side = min(settings.window, 2 * (min(mask_N1HW.shape[-2:]) // 4) + 1)
    sums = [
        functional.avg_pool2d(each, side, stride=1, padding=side // 2, divisor_override=1)
        for each in (mask_N1HW * valid_N1HW, valid_N1HW)
    ]
    mean_N1HW = sums[0] / sums[1].clamp(min=1e-6)
    return valid_N1HW * (1 + settings.emphasis * (mean_N1HW - mask_N1HW).abs())


def pixel_loss(logits_N1HW: Tensor, mask_N1HW: Tensor, weight_N1HW: Tensor) -> Tensor:
    """Cross-entropy: the weighted mean over each picture, then over pictures."""
    each_N1HW = functional.binary_cross_entropy_with_logits(logits_N1HW, mask_N1HW, reduction="none")
    return ((each_N1HW * weight_N1HW).sum((1, 2, 3)) / weight_N1HW.sum((1, 2, 3)).clamp(min=1e-6)).mean()


def region_loss(probability_N1HW: Tensor, mask_N1HW: Tensor, weight_N1HW: Tensor) -> Tensor:
    """One minus intersection over union of probabilities, weighted, of each picture; their mean.

    One pixel more in both keeps empty masks finite: no object and none found is a loss of 0.
    """
    both_N1HW = probability_N1HW * mask_N1HW
    either_N1HW = probability_N1HW + mask_N1HW - both_N1HW
    intersection_N, union_N = ((each * weight_N1HW).sum((1, 2, 3)) for each in (both_N1HW, either_N1HW))
    return (1 - (intersection_N + _SMALL) / (union_N + _SMALL)).mean()


def boundary_loss(probability_N1HW: Tensor, mask_N1HW: Tensor, valid_N1HW: Tensor, *, tolerance: int) -> Tensor:
    """One minus the harmonic mean of soft precision and recall of boundaries, of each picture; their mean.

    Args:
        probability_N1HW: 0 to 1.
        mask_N1HW: 0 or 1.
        valid_N1HW: 0 where nothing counts.
        tolerance: In pixels: a boundary reaches so far to either side, in a square.
    """
    side = 2 * tolerance + 1
    found_N1HW, true_N1HW = (edge(each) for each in (probability_N1HW, mask_N1HW))
    near_found_N1HW, near_true_N1HW = (_widest(each, side) for each in (found_N1HW, true_N1HW))
    found_N1HW, true_N1HW = found_N1HW * valid_N1HW, true_N1HW * valid_N1HW
    hit_N, found_N = ((each).sum((1, 2, 3)) for each in (found_N1HW * near_true_N1HW, found_N1HW))
    met_N, true_N = ((each).sum((1, 2, 3)) for each in (true_N1HW * near_found_N1HW, true_N1HW))
    precision_N = (hit_N + _SMALL) / (found_N + _SMALL)
    recall_N = (met_N + _SMALL) / (true_N + _SMALL)
    return (1 - 2 * precision_N * recall_N / (precision_N + recall_N)).mean()


def edge(mask_N1HW: Tensor) -> Tensor:
    """How much a pixel of the object touches what is none: its value less the smallest around it, (N, 1, H, W)."""
    return mask_N1HW + _widest(-mask_N1HW, 3)


def shrunk(mask_N1HW: Tensor, valid_N1HW: Tensor, size: torch.Size) -> tuple[Tensor, Tensor]:
    """The share of the object among the valid pixels of each coarse one, and the share of those that are valid.

    Args:
        mask_N1HW: 0 or 1.
        valid_N1HW: 0 or 1.
        size: Height and width, not larger.
    """
    small = [functional.adaptive_avg_pool2d(each, (size[0], size[1])) for each in (mask_N1HW * valid_N1HW, valid_N1HW)]
    return small[0] / small[1].clamp(min=1e-6), small[1]


def _widest(values_N1HW: Tensor, side: int) -> Tensor:
    return functional.max_pool2d(values_N1HW, side, stride=1, padding=side // 2)
