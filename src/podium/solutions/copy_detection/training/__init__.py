"""How a copy-detection descriptor learns: losses, the memory of past batches, pairs, networks for every input size.

```
gathering      the rows of all processes, with gradients
memory         the embeddings of past batches, in a ring, the same in every process
contrastive    pairs closer or further than their margins
entropy        InfoNCE, and embeddings that spread out
supervised     known copies and images that are none, with their labels
position       position embeddings for another input size
checkpointing  less memory for more time, with batch norms that count once
nets           the networks of the recipes, their heads and parameter groups
```

Importing this package loads no torch; its modules do.
"""
