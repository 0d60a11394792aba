"""The head: a mixture of experts over the classes, one of which says nothing.

N rows, F features, C classes, M experts. Source: Abu-El-Haija et al., "YouTube-8M: a large-scale video classification
benchmark", 2016, which mixes probabilities; here logits are mixed, so that the silent expert draws to one half, not 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from podium.errors import MachineError, UsageError
from podium.solutions.segment_classification.initialisation import initialise

try:
    from torch import Tensor, nn
except ImportError as error:
    raise MachineError("networks need torch: `pip install 'podium[torch]'`") from error


@dataclass(frozen=True, kw_only=True)
class HeadSettings:
    """Shape of the head.

    Attributes:
        mixtures: Experts besides the silent one.
        dropout: Share of the features that experts and gates lose in training, each for itself.
        per_class: Each class has gates of its own; else all have the same.
    """

    mixtures: int = 4
    dropout: float = 0.5
    per_class: bool = False

    def __post_init__(self) -> None:
        if self.mixtures < 1:
            raise UsageError(f"a head has `{self.mixtures}` experts; 1 or more are allowed")
        if not 0.0 <= self.dropout < 1.0:
            raise UsageError(f"the dropout of a head is `{self.dropout}`; 0 to below 1 are allowed")


class Mixture(nn.Module):
    """Features to logits.

    Args:
        features: F.
        classes: C.
        settings: Experts and gates.
    """

    def __init__(self, features: int, classes: int, settings: HeadSettings) -> None:
        super().__init__()
        self.classes, self.mixtures = classes, settings.mixtures
        gates = (settings.mixtures + 1) * (classes if settings.per_class else 1)
        self.experts = _branch(features, classes * settings.mixtures, settings.dropout)
        self.gates = _branch(features, gates, settings.dropout)
        initialise(self)

    def forward(self, features_NF: Tensor) -> Tensor:
        """(N, C): logits."""
        count = features_NF.shape[0]
        experts_NCM = self.experts(features_NF).view(count, self.classes, self.mixtures)
        # The same gates for all classes have 1 in the place of C.
        gates_NCM = self.gates(features_NF).view(count, -1, self.mixtures + 1).softmax(2)[..., :-1]
        return (experts_NCM * gates_NCM).sum(2)


def _branch(features: int, out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm1d(features), nn.Dropout(dropout), nn.Linear(features, out))
