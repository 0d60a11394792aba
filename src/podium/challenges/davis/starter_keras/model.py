"""A small U-Net over a frame and the one before it. Put your own network in place of this one.

Axes: N batch, H height, W width, 6 channels in, 1 out.
"""

import math

import numpy as np
from backend import keras
from keras import layers, ops

WIDTHS = (16, 32, 64, 96)


def build(widths: tuple[int, ...] = WIDTHS) -> keras.Model:
    """A network that gives probabilities (N, H, W, 1) for frames (N, H, W, 6), 0 to 255; H and W multiples of 8."""
    frames = keras.Input((None, None, 6))
    x = layers.Rescaling(1 / 127.5, offset=-1)(frames)
    skips = []
    for level, width in enumerate(widths):
        x = _block(layers.MaxPooling2D()(x) if level else x, width)
        skips.append(x)
    for width, skip in zip(widths[-2::-1], skips[-2::-1], strict=True):
        x = _block(layers.Concatenate()([layers.UpSampling2D()(x), skip]), width)
    return keras.Model(frames, layers.Conv2D(1, 1, activation="sigmoid")(x))


def _block(x, width: int):
    # GroupNormalization keeps no running statistics: BatchNormalization's count as parameters in Keras.
    for _ in range(2):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.Activation("silu")(layers.GroupNormalization(8)(x))
    return x


@keras.saving.register_keras_serializable("podium")
def loss_of(masks, probability):
    """Cross-entropy of pixels plus one minus the soft IoU of frames, for each frame."""
    masks = ops.cast(masks, probability.dtype)
    axes = (1, 2, 3)
    shared = ops.sum(probability * masks, axes)
    union = ops.sum(probability + masks - probability * masks, axes)
    pixels = ops.mean(keras.losses.binary_crossentropy(masks, probability), (1, 2))
    return ops.add(pixels, 1 - ops.divide(shared + 1, union + 1))


def frame_ious(predicted: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The contest's IoU of each frame; a frame that both leave empty takes no part."""
    shared = (predicted & masks).sum((1, 2, 3))
    union = (predicted | masks).sum((1, 2, 3))
    return shared[union > 0] / union[union > 0]


def count_parameters(model: keras.Model) -> int:
    """The numbers in all weights, frozen ones as well."""
    return sum(math.prod(each.shape) for each in model.weights)
