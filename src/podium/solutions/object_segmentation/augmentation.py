"""A frame as it might also have been: cropped, scaled, turned, mirrored, in other light, with pasted objects.

A look is a frame with what is known of its pixels and its motion. All that moves pixels is one similarity, so that a
frame is resampled once and motion turns with it. Motion is divided by its own scale later, so a look's vectors stay in
pixels of the frame that it was cut from.

Axes: H height, W width, C colour, 2 (dx, dy).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.solutions.object_segmentation.opencv import opencv
from podium.solutions.object_segmentation.truth import OBJECT, UNKNOWN, Truth

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_HALF = 128


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """A frame to learn from.

    Attributes:
        image_HWC: RGB, uint8.
        object_HW: How much of each pixel is the object, 0 to 255.
        residual_HW2: Motion that the background does not explain, in pixels of the frame it was cut from.
        known_HW: The mask says something of the pixel.
        length: In pixels, what is shown as half of the most motion; see `motion.scale`.
    """

    image_HWC: Pixels
    object_HW: Pixels
    residual_HW2: Floats
    known_HW: NDArray[np.bool_]
    length: float


@dataclass(frozen=True, kw_only=True)
class Source:
    """A frame at the network's scale, as it is kept."""

    image_HWC: Pixels
    truth_HW: Truth
    residual_HW2: NDArray[np.floating]
    length: float


@dataclass(frozen=True, kw_only=True)
class View:
    """Which part of a frame is looked at: the pixel (x, y) of the view shows ``centre + turned (x, y) / zoom``.

    Attributes:
        x: Of the frame, in the middle of the view.
        y: Of the same.
        zoom: Pixels of the view for a pixel of the frame.
        turn: In radians.
        mirrored: Left and right change places.
        height: Of the view.
        width: Of the view.
    """

    x: float
    y: float
    zoom: float
    turn: float
    mirrored: bool
    height: int
    width: int

    @property
    def rotation(self) -> NDArray[np.float64]:
        """(2, 2): directions in the frame to directions in the view."""
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        turned = np.array([[cos, -sin], [sin, cos]])
        return np.diag([-1.0, 1.0]) @ turned if self.mirrored else turned

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(2, 3): places in the frame to places in the view."""
        linear = self.rotation * self.zoom
        middle = np.array([(self.width - 1) / 2, (self.height - 1) / 2])
        return np.column_stack([linear, middle - linear @ np.array([self.x, self.y])])


def draw_view(
    truth_HW: Truth,
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    scales: tuple[float, float],
    inside: float,
    turn_degrees: float,
    flip: float,
) -> View:
    """A part of a frame by lot.

    Args:
        truth_HW: Of the frame.
        rng: Decides.
        size: Height and width of the view.
        scales: Least and greatest zoom.
        inside: Share of views that certainly show a pixel of the object, where there is one.
        turn_degrees: Span of the angle.
        flip: Share of mirrored views.
    """
    height, width = truth_HW.shape
    zoom = math.exp(rng.uniform(math.log(scales[0]), math.log(scales[1])))
    turn = math.radians(rng.uniform(-turn_degrees, turn_degrees))
    mirrored, bound, spot = bool(rng.random() < flip), rng.random() < inside, rng.random()
    place_2 = rng.random(2)
    half_2 = np.array([size[1], size[0]]) / (2 * zoom)
    frame_2 = np.array([width, height], dtype=np.float64)
    least_2, most_2 = np.minimum(half_2, frame_2 / 2), np.maximum(frame_2 - half_2, frame_2 / 2)
    if bound:
        object_P = np.flatnonzero(truth_HW == OBJECT)
        if len(object_P):
            row, column = divmod(int(object_P[int(spot * len(object_P))]), width)
            pixel_2 = np.array([column, row], dtype=np.float64)
            reach_2 = 0.8 * half_2
            least_2 = np.clip(pixel_2 - reach_2, least_2, most_2)
            most_2 = np.clip(pixel_2 + reach_2, least_2, most_2)
    x, y = least_2 + place_2 * (most_2 - least_2)
    return View(x=x, y=y, zoom=zoom, turn=turn, mirrored=mirrored, height=size[0], width=size[1])


def cut(source: Source, view: View) -> Look:
    """What a view shows of a frame. Beyond the frame its border goes on, and nothing is known."""
    cv2 = opencv()
    matrix, (rows, columns), whole = _window(source.truth_HW.shape, view)
    size = (view.width, view.height)
    truth_HW = source.truth_HW[rows, columns]

    def warped(values: NDArray[np.generic], border: int = cv2.BORDER_REPLICATE) -> Any:
        return cv2.warpAffine(values, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)

    known_HW = np.ones((view.height, view.width), dtype=np.bool_)
    if not whole:
        known_HW &= warped(np.full(truth_HW.shape, 255, dtype=np.uint8), cv2.BORDER_CONSTANT) >= _HALF
    if (truth_HW == UNKNOWN).any():
        known_HW &= warped((truth_HW == UNKNOWN).astype(np.uint8) * 255) < _HALF
    residual_HW2 = warped(source.residual_HW2[rows, columns].astype(np.float32))
    return Look(
        image_HWC=warped(source.image_HWC[rows, columns]),
        object_HW=warped((truth_HW == OBJECT).astype(np.uint8) * 255),
        residual_HW2=residual_HW2 @ view.rotation.T.astype(np.float32),
        known_HW=known_HW,
        length=source.length,
    )


def _window(shape: tuple[int, ...], view: View) -> tuple[NDArray[np.float64], tuple[slice, slice], bool]:
    """The view's matrix from the smallest window of the frame that it needs; the window; is all in the frame."""
    height, width = shape[:2]
    reach_2 = abs(view.rotation.T) @ np.array([view.width, view.height]) / (2 * view.zoom) + 2
    (left, top), (right, bottom) = np.array([view.x, view.y]) - reach_2, np.array([view.x, view.y]) + reach_2
    whole = left + 1 >= 0 and top + 1 >= 0 and right - 1 <= width - 1 and bottom - 1 <= height - 1
    rows = slice(min(max(0, math.floor(top)), height - 1), max(1, min(height, math.ceil(bottom) + 1)))
    columns = slice(min(max(0, math.floor(left)), width - 1), max(1, min(width, math.ceil(right) + 1)))
    matrix = view.matrix
    matrix[:, 2] += matrix[:, :2] @ np.array([columns.start, rows.start])
    return matrix, (rows, columns), whole


def draw_place(
    truth_HW: Truth, rng: np.random.Generator, *, size: tuple[int, int], zoom: float, flip: float
) -> View | None:
    """A view in which the object's middle comes to lie anywhere; None where there is no object.

    Args:
        truth_HW: Of the frame with the object.
        rng: Decides.
        size: Height and width of the view.
        zoom: About the one to use.
        flip: Share of mirrored views.
    """
    mirrored, factor = bool(rng.random() < flip), math.exp(rng.uniform(-0.3, 0.3))
    target_2 = (rng.uniform(0.1, 0.9, 2) - 0.5) * np.array([size[1], size[0]])
    object_HW = truth_HW == OBJECT
    rows, columns = (np.flatnonzero(object_HW.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    here = View(x=0, y=0, zoom=zoom * factor, turn=0, mirrored=mirrored, height=size[0], width=size[1])
    x, y = np.array([columns.mean(), rows.mean()]) - here.rotation.T @ target_2 / here.zoom
    return replace(here, x=float(x), y=float(y))


def paste_decoy(look: Look, other: Look, *, in_front: bool) -> Look:
    """A look with another's object as a part of its background: it looks like an object and moves as all around it.

    Args:
        look: Is pasted into.
        other: Of the same size; only its object is used.
        in_front: Of the look's own object, which it hides; otherwise behind.
    """
    alpha_HW1 = _share(other.object_HW)
    if not in_front:
        alpha_HW1 = alpha_HW1 * (1 - _share(look.object_HW))
    seen_HW = alpha_HW1[..., 0] >= 0.5
    image_HWC = _mixed(look.image_HWC, other.image_HWC, alpha_HW1)
    if not in_front:
        return replace(look, image_HWC=image_HWC, known_HW=look.known_HW | seen_HW)
    return replace(
        look,
        image_HWC=image_HWC,
        object_HW=np.rint(look.object_HW * (1 - alpha_HW1[..., 0])).astype(np.uint8),
        # Where the object moved, the pasted thing stands still.
        residual_HW2=np.where((seen_HW & (look.object_HW >= _HALF))[..., None], 0, look.residual_HW2),
        known_HW=look.known_HW | seen_HW,
    )


def paste_object(look: Look, other: Look, rng: np.random.Generator) -> Look:
    """A look with another's object in it, in front of all, which moves: as it did, or, if it hardly did, by lot.

    Args:
        look: Is pasted into; its own object stays one.
        other: Of the same size; only its object and that object's motion are used.
        rng: Decides how a still object is made to move.
    """
    cv2 = opencv()
    alpha_HW1 = _share(other.object_HW)
    seen_HW = other.object_HW >= _HALF
    angle, factor = rng.uniform(0, 2 * math.pi), rng.uniform(1.0, 4.0)
    moved_HW2 = other.residual_HW2
    if seen_HW.any():
        long = float(np.median(np.hypot(moved_HW2[..., 0][seen_HW], moved_HW2[..., 1][seen_HW])))
        if long < look.length:
            own = factor * look.length * np.array([math.cos(angle), math.sin(angle)], dtype=np.float32)
            moved_HW2 = moved_HW2 + own
    # Estimated flow has soft edges.
    blend_HW1 = cv2.GaussianBlur(alpha_HW1[..., 0], (0, 0), 1.5)[..., None]
    return replace(
        look,
        image_HWC=_mixed(look.image_HWC, other.image_HWC, alpha_HW1),
        object_HW=np.maximum(look.object_HW, other.object_HW),
        residual_HW2=look.residual_HW2 * (1 - blend_HW1) + moved_HW2 * blend_HW1,
        known_HW=look.known_HW | seen_HW,
    )


def relight(image_HWC: Pixels, rng: np.random.Generator, *, strength: float) -> Pixels:
    """A picture in other light: brightness, contrast, saturation, tint, gamma; sometimes grey or out of focus.

    Args:
        image_HWC: RGB.
        rng: Is drawn from equally often at any strength.
        strength: 0 changes nothing; 1 is the most.
    """
    cv2 = opencv()
    contrast, saturation, gamma = np.exp(rng.uniform(-1, 1, 3) * strength * np.array([0.7, 1.0, 0.7]))
    bright, tint_3 = rng.uniform(-0.4, 0.4) * strength, np.exp(rng.uniform(-0.25, 0.25, 3) * strength)
    grey, blur, sigma = rng.random(), rng.random(), rng.uniform(0.4, 1.4)
    if strength <= 0:
        return image_HWC
    if grey < 0.2 * strength:
        saturation = 0.0
    grey_33 = np.broadcast_to(_LUMA, (3, 3))
    matrix_33 = np.diag(tint_3) @ (saturation * np.eye(3) + (1 - saturation) * grey_33) * contrast
    bias_3 = np.full(3, 127.5 * (1 - contrast) + 255 * bright)
    changed_HWC = cv2.transform(image_HWC, np.column_stack([matrix_33, bias_3]).astype(np.float32))
    table = np.clip(np.rint(255 * (np.arange(256) / 255) ** gamma), 0, 255).astype(np.uint8)
    changed_HWC = cv2.LUT(changed_HWC, table)
    return cv2.GaussianBlur(changed_HWC, (0, 0), sigma) if blur < 0.3 * strength else changed_HWC


def _share(object_HW: Pixels) -> Floats:
    return object_HW[..., None].astype(np.float32) * np.float32(1 / 255)


def _mixed(below_HWC: Pixels, above_HWC: Pixels, alpha_HW1: Floats) -> Pixels:
    mixed_HWC = below_HWC + (above_HWC.astype(np.float32) - below_HWC) * alpha_HW1
    return np.clip(np.rint(mixed_HWC), 0, 255).astype(np.uint8)
