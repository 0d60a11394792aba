"""Predictions for the conformance suite: perfect ones, made from the answers, and ways to spoil them."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.challenges.davis import layout, paths
from podium.challenges.davis.metadata import METADATA, PARAMETER_LIMIT, Metadata, write_metadata
from podium.challenges.davis.predictions import OUTPUTS
from podium.formats import masks
from podium.types import DataSet

Table = dict[str, Any]
Levels = NDArray[np.uint8]


def write_perfect(data: DataSet, folder: Path) -> None:
    """The annotations themselves, in the form of a result; a model without parameters."""
    sequences = layout.judged_sequences(data)
    truth = layout.annotation_paths(data, sequences)
    (folder / OUTPUTS).mkdir(parents=True, exist_ok=True)
    names = [f"{OUTPUTS}/{row:05}.png" for row in sorted(truth)]
    for row, name in enumerate(names):
        masks.write(folder / name, layout.read_annotation(truth[row]).astype(np.uint8) * 255)
    paths.write(folder / paths.PATHS, {paths.OUTPUT: names})
    write_metadata(folder / METADATA, Metadata(parameters=0))


def write_tree(data: DataSet, folder: Path) -> None:
    """The annotations as palette files in a folder for each clip, as DAVIS writes them; a model without parameters."""
    sequences = layout.judged_sequences(data)
    truth = layout.annotation_paths(data, sequences)
    for sequence, frame in layout.frames_of(sequences):
        (folder / sequence.clip).mkdir(parents=True, exist_ok=True)
        labels_HW = layout.read_annotation(truth[frame.row]).astype(np.uint8)
        masks.write(folder / f"{frame.name}.png", labels_HW, palette=True)
    write_metadata(folder / METADATA, Metadata(parameters=0))


def _edit(name: str, change: Callable[[Table], Any]) -> Callable[[Path], None]:
    """Spoils the object in a JSON file."""

    def spoil(folder: Path) -> None:
        table = json.loads((folder / name).read_text(encoding="utf-8"))
        changed = change(table)
        (folder / name).write_text(json.dumps(table if changed is None else changed), encoding="utf-8")

    return spoil


def _rows(change: Callable[[Table], Any]) -> Callable[[Path], None]:
    """Spoils the column of paths."""
    return _edit(paths.PATHS, lambda table: change(table[paths.OUTPUT]))


def _first(path: object) -> Callable[[Path], None]:
    """Gives the first frame another path."""
    return _rows(lambda rows: rows.update({"0": path}))


def _mask(change: Callable[[Path], None], *, every: bool = False) -> Callable[[Path], None]:
    """Spoils the file of the first mask, or of all."""

    def spoil(folder: Path) -> None:
        for path in sorted((folder / OUTPUTS).iterdir())[: None if every else 1]:
            change(path)

    return spoil


def _levels(change: Callable[[Levels], Levels], *, every: bool = False) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        levels_HW = masks.read(path).levels_HW
        if levels_HW is not None:
            masks.write(path, np.ascontiguousarray(change(levels_HW)))

    return _mask(spoil, every=every)


def _mode(mode: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        from PIL import Image

        with Image.open(path) as image:
            image.load()
            image.convert(mode).save(path, "PNG")

    return _mask(spoil)


def _labels(path: Path) -> None:
    levels_HW = masks.read(path).levels_HW
    if levels_HW is not None:
        masks.write(path, np.minimum(levels_HW, 1), palette=True)


def _jpeg(path: Path) -> None:
    from PIL import Image

    with Image.open(path) as image:
        image.load()
        image.save(path, "JPEG")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _garble(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    at = raw.index(b"IDAT") + 8
    raw[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(bytes(raw))


def _bomb(path: Path) -> None:
    """A header that promises ten thousand million pixels."""
    raw = path.read_bytes()
    head = b"IHDR" + struct.pack(">II", 100_000, 100_000) + raw[24:29]
    path.write_bytes(raw[:12] + head + struct.pack(">I", zlib.crc32(head)) + raw[33:])


def _animate(path: Path) -> None:
    raw = path.read_bytes()
    part = b"acTL" + struct.pack(">II", 2, 0)
    path.write_bytes(raw[:33] + struct.pack(">I", 8) + part + struct.pack(">I", zlib.crc32(part)) + raw[33:])


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _at(name: str, change: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda folder: change(folder / name)


def _linked_folder(folder: Path) -> None:
    shutil.move(folder / OUTPUTS, folder / "elsewhere")
    (folder / OUTPUTS).symlink_to("elsewhere")


def _bytes(name: str, content: bytes) -> Callable[[Path], None]:
    return _at(name, _written(content))


def _written(content: bytes) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        path.write_bytes(content)

    return spoil


BROKEN: tuple[tuple[str, Callable[[Path], None]], ...] = (
    ("no paths.json", _at(paths.PATHS, Path.unlink)),
    ("a link as paths.json", _at(paths.PATHS, _link)),
    ("a pipe as paths.json", _at(paths.PATHS, _pipe)),
    ("an empty paths.json", _bytes(paths.PATHS, b"")),
    ("a paths.json that is a list", _bytes(paths.PATHS, b"[1, 2]")),
    ("a paths.json nested too deeply", _bytes(paths.PATHS, b"[" * 100_000)),
    ("a row twice", _bytes(paths.PATHS, b'{"output": {"0": "outputs/00000.png", "0": "outputs/00000.png"}}')),
    ("another key", _edit(paths.PATHS, lambda table: {"outputs": table[paths.OUTPUT]})),
    ("an output that is a list", _edit(paths.PATHS, lambda table: {paths.OUTPUT: list(table[paths.OUTPUT].values())})),
    ("a row that is no number", _rows(lambda rows: rows.update(first="outputs/00000.png"))),
    ("a negative row", _rows(lambda rows: rows.update({"-1": "outputs/00000.png"}))),
    ("a row too many", _rows(lambda rows: rows.update({str(len(rows)): "outputs/00000.png"}))),
    ("a path that is a number", _first(7)),
    ("both kinds of slash", _first("some\\folder/00000.png")),
    ("a path outside", _first("../outputs/00000.png")),
    ("a path from the root", _first("/etc/passwd")),
    ("a path to nothing", _first("outputs/nothing.png")),
    ("masks of 0 and 1", _levels(lambda levels_HW: np.minimum(levels_HW, 1), every=True)),
    ("a palette file", _mask(_labels)),
    ("a 1-bit file", _mode("1")),
    ("an RGB file", _mode("RGB")),
    ("an RGBA file", _mode("RGBA")),
    ("a file with transparency", _mode("LA")),
    ("a 16-bit file", _mode("I;16")),
    ("a JPEG file", _mask(_jpeg)),
    ("another size", _levels(lambda levels_HW: levels_HW[:-1])),
    ("height and width swapped", _levels(lambda levels_HW: levels_HW.T)),
    ("a file cut off", _mask(_cut)),
    ("a garbled file", _mask(_garble)),
    ("an enormous picture", _mask(_bomb)),
    ("an animation", _mask(_animate)),
    ("a link as a mask", _mask(_link)),
    ("a pipe as a mask", _mask(_pipe)),
    ("a folder as a mask", _mask(_folder)),
    ("an empty file as a mask", _mask(_written(b""))),
    ("a link as the folder of masks", _linked_folder),
    ("no metadata", _at(METADATA, Path.unlink)),
    ("metadata without a count", _edit(METADATA, lambda _: {"params": 5})),
    ("a count that is a text", _edit(METADATA, lambda table: table.update(nparams="5M"))),
    ("a count that is true", _edit(METADATA, lambda table: table.update(nparams=True))),
    ("a negative count", _edit(METADATA, lambda table: table.update(nparams=-1))),
    ("too many parameters", _edit(METADATA, lambda table: table.update(nparams=PARAMETER_LIMIT))),
)
