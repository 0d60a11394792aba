"""What training makes small: wrong labels of videos, and wrong ratings of segments.

Legend: N rows, C classes, R ratings.
"""

from __future__ import annotations

from podium.errors import MachineError, UsageError

try:
    import torch
    from torch import Tensor
    from torch.nn import functional
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error


def video_loss(logits_NC: Tensor, labels_NC: Tensor) -> Tensor:
    """Binary cross-entropy, the mean over all pairs; float32 whatever the precision of the logits.

    Args:
        logits_NC: (N, C) real numbers.
        labels_NC: (N, C) 1 where the video has the class, else 0.

    >>> round(float(video_loss(torch.zeros(2, 3), torch.ones(2, 3))), 6)
    0.693147
    """
    return functional.binary_cross_entropy_with_logits(_wide(logits_NC), labels_NC.to(_wide(logits_NC).dtype))


def segment_loss(
    logits_RC: Tensor, class_R: Tensor, score_R: Tensor, free_RC: Tensor, *, negative_weight: float = 0.5
) -> Tensor:
    """Cross-entropy of what is rated, and of mined negatives: classes that the video very likely does not show.

    A rating with score y weighs y + 0.5, so a negative one weighs a third of a positive one; the mean is over ratings.
    The mined part is the mean over all free pairs of the batch, times its weight; a batch without any has none.

    Args:
        logits_RC: (R, C) real numbers, one row a rating.
        class_R: (R,) int64, the class that is rated, 0 to C - 1.
        score_R: (R,) 0 to 1, the rating.
        free_RC: (R, C) bool, classes that are mined as negatives.
        negative_weight: Of the mined part; the 7th place's code has 0.5, its paper 1.

    Raises:
        UsageError: Shapes do not fit.

    >>> class_R, free_RC = torch.tensor([0]), torch.tensor([[False, True]])
    >>> round(float(segment_loss(torch.zeros(1, 2), class_R, torch.tensor([1.0]), free_RC)), 6)
    1.386294

    Source: the 7th place's workshop paper (Lee, 2019), Eq. 2, with the weights of its released code.
    """
    rows = len(logits_RC)
    if class_R.shape != (rows,) or score_R.shape != (rows,) or free_RC.shape != logits_RC.shape:
        found = f"`{tuple(class_R.shape)}`, `{tuple(score_R.shape)}` and `{tuple(free_RC.shape)}`"
        raise UsageError(f"classes, scores and free classes are {found}; the logits are `{tuple(logits_RC.shape)}`")
    logits_RC = _wide(logits_RC)
    score_R = score_R.to(logits_RC.dtype)
    rated_R = logits_RC.gather(1, class_R[:, None])[:, 0]
    entropy_R = functional.binary_cross_entropy_with_logits(rated_R, score_R, reduction="none")
    rated = ((score_R + 0.5) * entropy_R).sum() / max(rows, 1)
    # A sum of a product with the mask would make NaN of an infinite loss times 0.
    mined = functional.softplus(logits_RC).masked_fill(~free_RC, 0.0).sum() / free_RC.sum().clamp(min=1)
    return rated + negative_weight * mined


def _wide(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()
