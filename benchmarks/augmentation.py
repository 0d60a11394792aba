"""Pictures a second that one core edits for copy-detection training: each edit, then whole recipes.

    OMP_NUM_THREADS=1 python benchmarks/augmentation.py [--picture photo.jpg] [--size 224] [--seconds 0.3]

Every row draws and applies anew for each picture, once with OpenCV (extra ``motion``) and once with Pillow alone. It
takes the best of five rounds in processor time, which other programs disturb little. Peers do their nearest equivalent
to the same pixels: torchvision, albumentations and AugLy, each where it is installed. A recipe's row makes both views
of a picture whose shorter edge is a seventh longer than the view, as a cache would hold it, and counts pictures.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from podium.media import images
from podium.solutions.copy_detection.augmentation import KINDS, PRESETS, raster, views

ROUNDS = 5
Work = Callable[[int], object]


def rate(work: Work, seconds: float) -> float:
    """Calls a second, best of a few rounds."""
    work(0)
    best, number = 0.0, 1
    for _ in range(ROUNDS):
        start, done = time.process_time(), 0
        while (spent := time.process_time() - start) < seconds / ROUNDS:
            work(number)
            number, done = number + 1, done + 1
        best = max(best, done / spent)
    return best


@contextmanager
def pillow_alone() -> Iterator[None]:
    """As where OpenCV is not installed."""
    usual = raster.opencv
    raster.opencv = lambda: None
    try:
        yield
    finally:
        raster.opencv = usual


def edit(name: str, image_HWC: np.ndarray, other_HWC: np.ndarray) -> Work:
    """Draws and applies one edit at full strength."""
    return lambda seed: KINDS[name].draw(np.random.default_rng(seed)).apply(image_HWC, other_HWC)


def recipe(name: str, image_HWC: np.ndarray, other_HWC: np.ndarray, size: int) -> Work:
    """Makes both views."""
    return lambda seed: views(image_HWC, PRESETS[name], seed=seed, size=(size, size), companion=lambda _: other_HWC)


def torchvision_peers(size: int) -> dict[str, Callable[[Image.Image], object]]:
    """On Pillow pictures."""
    v2 = importlib.import_module("torchvision.transforms.v2")
    return {
        "crop": v2.RandomResizedCrop(size, scale=(0.7, 1.0)),
        "rotate": v2.RandomRotation(180, interpolation=v2.InterpolationMode.BILINEAR),
        "flip": v2.RandomHorizontalFlip(1.0),
        "flip_vertical": v2.RandomVerticalFlip(1.0),
        "perspective": v2.RandomPerspective(0.5, p=1.0),
        "jitter": v2.ColorJitter(0.7, 0.7, 0.7, 0.1),
        "grey": v2.Grayscale(3),
        "blur": v2.GaussianBlur(61, (0.1, 10.0)),
    }


def albumentations_peers(size: int) -> dict[str, Callable[[Any], object]]:
    """On arrays."""
    a = importlib.import_module("albumentations")
    made = {
        "crop": a.RandomResizedCrop(size=(size, size), scale=(0.7, 1.0), p=1),
        "rotate": a.Rotate(limit=180, p=1),
        "flip": a.HorizontalFlip(p=1),
        "flip_vertical": a.VerticalFlip(p=1),
        "perspective": a.Perspective(p=1),
        "jitter": a.ColorJitter(brightness=0.7, contrast=0.7, saturation=0.7, hue=0.1, p=1),
        "grey": a.ToGray(p=1),
        "recompress": a.ImageCompression(p=1),
        "blur": a.GaussianBlur(p=1),
        "noise": a.GaussNoise(p=1),
        "sharpen": a.Sharpen(p=1),
    }
    return {name: lambda image, each=each: each(image=image)["image"] for name, each in made.items()}


def augly_peers(size: int) -> dict[str, Callable[[Image.Image], object]]:  # noqa: ARG001 - as its siblings
    """On Pillow pictures, with the values that the recipes give it."""
    a = importlib.import_module("augly.image")
    return {
        "rotate": a.RandomRotation(),
        "flip": a.HFlip(),
        "flip_vertical": a.VFlip(),
        "perspective": a.PerspectiveTransform(),
        "jitter": a.ColorJitter(0.7, 0.7, 0.7),
        "grey": a.Grayscale(),
        "pixelise": a.RandomPixelization(),
        "shuffle": a.ShufflePixels(factor=0.1),
        "recompress": a.EncodingQuality(quality=20),
        "blur": a.RandomBlur(),
        "noise": a.RandomNoise(),
        "text": a.OverlayText(),
        "emoji": a.OverlayEmoji(),
        "screenshot": a.OverlayOntoScreenshot(),
    }


PEERS = {
    "torchvision": (torchvision_peers, True),
    "albumentations": (albumentations_peers, False),
    "augly": (augly_peers, True),
}


def peers(image_HWC: np.ndarray, size: int) -> dict[str, dict[str, Work]]:
    """What is installed, by library and edit."""
    found: dict[str, dict[str, Work]] = {}
    for library, (make, wants_pillow) in PEERS.items():
        try:
            made = make(size)
        except (ImportError, AttributeError, TypeError) as error:
            print(f"{library}: left out ({error})")
            continue
        given = Image.fromarray(image_HWC) if wants_pillow else image_HWC
        found[library] = {
            name: lambda _, each=each, given=given: np.asarray(each(given)) for name, each in made.items()
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="a photograph; a made picture otherwise")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seconds", type=float, default=0.3, help="for each number")
    chosen = parser.parse_args()
    cv2 = raster.opencv()
    if cv2 is not None:
        cv2.setNumThreads(1)
    size, kept = chosen.size, round(chosen.size * 8 / 7)
    noise = np.random.default_rng(0).integers(0, 256, size=(15, 20, 3), dtype=np.uint8)
    photo = raster.resized(noise, (480, 640)) if chosen.picture is None else images.read(chosen.picture)
    cached = images.resize(photo, short_edge=kept)
    other = np.ascontiguousarray(cached[::-1])
    seen, second = raster.covering(cached, (size, size)), raster.covering(other, (size, size))
    found = peers(seen, size)
    print(
        f"pictures a second on one core; edits at {size} x {size}, recipes from {cached.shape[1]} x {cached.shape[0]}"
    )
    print(f"{'':16}" + "".join(f"{each:>15}" for each in ("opencv", "pillow", *found)))
    for name in KINDS:
        line(name, edit(name, seen, second), chosen.seconds, [each.get(name) for each in found.values()])
    for name in PRESETS:
        line(f"{name}, 2 views", recipe(name, cached, other, size), chosen.seconds, [])


def line(name: str, work: Work, seconds: float, others: list[Work | None]) -> None:
    """One row of the table."""
    own = "" if raster.opencv() is None else f"{rate(work, seconds):,.0f}"
    with pillow_alone():
        cells = [own, f"{rate(work, seconds):,.0f}"]
    cells += ["" if each is None else f"{rate(each, seconds):,.0f}" for each in others]
    print(f"{name:16}" + "".join(f"{each:>15}" for each in cells))


if __name__ == "__main__":
    main()
