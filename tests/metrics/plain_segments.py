"""Segment AP one box after the other, as the rule is written: slow, plain, and sharing nothing with the room."""

from __future__ import annotations

from itertools import groupby
from math import sqrt

Box = tuple[int, int, float, float, float, float]
"""Query, reference, query start and end, reference start and end."""


def union(intervals: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Merged intervals; touching ones merge, empty and reversed ones vanish."""
    merged: list[tuple[float, float]] = []
    for start, end in sorted(each for each in intervals if each[1] > each[0]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def length(intervals: list[tuple[float, float]]) -> float:
    """Of the union."""
    return sum(end - start for start, end in union(intervals))


def shared(left: list[tuple[float, float]], right: list[tuple[float, float]]) -> float:
    """Length of the intersection of two unions."""
    return sum(max(0.0, min(a[1], b[1]) - max(a[0], b[0])) for a in union(left) for b in union(right))


def side(boxes: list[Box], axis: int) -> list[tuple[float, float]]:
    """The intervals of one axis."""
    return [(box[2 + 2 * axis], box[3 + 2 * axis]) for box in boxes]


def touch(a: Box, b: Box) -> bool:
    """Two boxes overlap on both axes."""
    return all(min(a[at + 1], b[at + 1]) - max(a[at], b[at]) > 0 for at in (2, 4))


def plain_curve(predicted: list[tuple[Box, float]], truth: list[Box]) -> tuple[float, list[tuple[float, float, float]]]:
    """Segment AP, and (score, precision, recall) wherever recall grows."""
    true_of: dict[tuple[int, int], list[Box]] = {}
    for box in truth:
        true_of.setdefault(box[:2], []).append(box)
    total = [sum(length(side(boxes, axis)) for boxes in true_of.values()) for axis in range(2)]
    found_of: dict[tuple[int, int], list[Box]] = {}
    right, called = {}, {}
    value, recall_before, points = 0.0, 0.0, []
    ordered = sorted(predicted, key=lambda each: -each[1])
    for score, group in groupby(ordered, key=lambda each: each[1]):
        for box, _ in group:
            pair = box[:2]
            mine = found_of.setdefault(pair, [])
            mine.append(box)
            touched = [true for true in true_of.get(pair, []) if any(touch(true, each) for each in mine)]
            for axis in range(2):
                called[pair, axis] = length(side(mine, axis))
                right[pair, axis] = shared(side(mine, axis), side(touched, axis))
        gained = [sum(each for (_, axis), each in right.items() if axis == wanted) for wanted in range(2)]
        used = [sum(each for (_, axis), each in called.items() if axis == wanted) for wanted in range(2)]
        recall = sqrt(gained[0] / total[0] * gained[1] / total[1])
        precision = sqrt(gained[0] / used[0] * gained[1] / used[1]) if used[0] > 0 and used[1] > 0 else 0.0
        value += precision * (recall - recall_before)
        if recall > recall_before:
            points.append((score, precision, recall))
        recall_before = recall
    return value, points
