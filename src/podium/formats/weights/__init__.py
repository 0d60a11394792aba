"""Parameters of weight files, counted by Podium itself: no torch, no onnx, no keras, and nothing of a file is run.

```
read_weights(path)      WeightFile: every tensor of a safetensors, torch, TorchScript, ONNX or Keras file, and its role
tally(files)            how many parameters they hold together
```
"""

from podium.formats.weights.reading import KNOWN, read_weights, weight_kind
from podium.formats.weights.tally import FREE_CONSTANT_BYTES, FREE_STATISTICS, Tally, tally
from podium.formats.weights.tensors import External, Role, Tensor, WeightFile, WeightKind

__all__ = [
    "FREE_CONSTANT_BYTES",
    "FREE_STATISTICS",
    "KNOWN",
    "External",
    "Role",
    "Tally",
    "Tensor",
    "WeightFile",
    "WeightKind",
    "read_weights",
    "tally",
    "weight_kind",
]
