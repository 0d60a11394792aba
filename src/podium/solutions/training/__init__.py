"""What every solution trains with: one recipe format, one trainer, one export.

```
recipe      YAML -> frozen settings, strictly, every fault at once        (no torch)
stages      a recipe of several trainings, each of which begins with the one before it
batches     which examples make which batch: shuffled, sharded, resumable
schedule    step -> factor of the learning rate; parameter_groups: which parameter learns how fast
averaging   the mean of the weights over the steps
trainer     fit(): Lightning with logs, checkpoints, exact resume, a clean stop
networks    a network as a folder of settings and weights
export      a folder of safetensors, recipe and facts
```

Importing this package loads neither torch nor Lightning; its modules do.
"""

from podium.solutions.training.recipe import Head, Listing, digest, dump, find, head, keep, listed, load, write

__all__ = ["Head", "Listing", "digest", "dump", "find", "head", "keep", "listed", "load", "write"]
