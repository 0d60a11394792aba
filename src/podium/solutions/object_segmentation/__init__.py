"""Object segmentation: the mask of the object that a clip is about, from each frame and how it moves.

```
flow (raft · opencv)                   how far each pixel moves to another frame
motion > inputs                        flow as a picture; frames as a network sees them, in training and afterwards
clips · truth > flow_cache             material in people's folders; its frames, masks and motion, worked out once
stills · augmentation > dataset        stills that move; crops, light, pasted objects; samples and batches
encoder · fusion · decoder > network   both pictures through one encoder, made one map, and that map a mask
losses > learner · plan > train        what is learned; a recipe as stages; all to a model
windows · smoothing > inference        a model over a clip, frame by frame; footage and submission are its users
saliency > classical                   the same without a network
```

Loads nothing until asked; flow needs the extra ``motion``, networks ``torch``, training ``train``.
"""
