"""Keras with the backend of `KERAS_BACKEND`; without it TensorFlow where there is one, else torch."""

import importlib.util
import os

if "KERAS_BACKEND" not in os.environ:
    os.environ["KERAS_BACKEND"] = "tensorflow" if importlib.util.find_spec("tensorflow") else "torch"

import keras

__all__ = ["keras"]
