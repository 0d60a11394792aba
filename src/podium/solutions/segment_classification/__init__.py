"""Segment classification: which five seconds of a video show which class, from the features of each second.

```
frames · clips                          which frames of a video are seen; frames without padding, as numbers
encoders > nextvlad · dbof · mean_pool  frames to one vector; vlad is the pooling, gating the context gates
mixture                                 one vector to logits
network                                 whole networks: of videos, of segments, of segments with their video around them
reference_weights                       models of the published code as such networks
material > videos > dataset             shards as videos (contents: of each shard, looked up once), videos as batches
losses · tally · folds · context        what is learned, how it is judged, what is held out, contexts encoded once
plan > supply > learner > train         a recipe as trainings; one training's batches; its steps; all to a model
model > inference > totals              an ensemble as a folder, its predictions (blocks, score_files), their sum
footage                                 people's own videos as shards, and their labels
```

Loads nothing until asked; networks need the extra ``torch``, training needs ``train``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podium.solutions.segment_classification.encoders import EncoderSettings
    from podium.solutions.segment_classification.network import Network, NetworkSettings

__all__ = ["EncoderSettings", "Network", "NetworkSettings"]

_HOME = {"EncoderSettings": "encoders", "Network": "network", "NetworkSettings": "network"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
