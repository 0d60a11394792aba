"""A small whale-do data set made by hand, programs that keep the rules and programs that break them."""

from __future__ import annotations

import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from podium.challenges.whale_do import layout
from podium.challenges.whale_do.layout import Scenario
from podium.formats import digests
from podium.sandbox.base import Box
from podium.types import Control, DataSet, Failure, Limits, OutputFile, Run, Usage

PROGRAMS = Path(__file__).parent / "programs"
IMAGES = 28
SIZE = (40, 24)


def whale_data(root: Path) -> DataSet:
    """Three scenarios: one leaves one out, one has a database of its own, one overlaps partly."""
    data = DataSet(root)
    for folder in (data.public, data.answers, data.inputs / layout.IMAGES):
        folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    ids = [f"test{number:04d}" for number in range(IMAGES)]
    for each in ids:
        pixels = rng.integers(0, 256, (6, 10, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize(SIZE).save(data.inputs / layout.IMAGES / f"{each}.jpg")
    scenarios = (
        _scenario("scenario01", ids[:6], ids[:14]),
        _scenario("scenario02", ids[14:20], ids[20:]),
        _scenario("scenario03", ids[4:10], ids[8:16]),
    )
    layout.write_scenarios(data.inputs, scenarios)
    metadata = {
        "image_id": ids,
        "path": [f"images/{each}.jpg" for each in ids],
        "height": [SIZE[1]] * IMAGES,
        "width": [SIZE[0]] * IMAGES,
        "viewpoint": ["top"] * IMAGES,
        "date": ["2019-08-05"] * IMAGES,
    }
    layout.write_metadata(data.inputs / layout.METADATA, pl.DataFrame(metadata))
    labels = [(query, each.database_image_ids[-1]) for each in scenarios for query in each.query_ids]
    layout.write_labels(data.answers / layout.LABELS, labels)
    digests.write_manifest(data.root)
    return data


def _scenario(name: str, queries: list[str], database: list[str]) -> Scenario:
    return Scenario(
        scenario_id=name,
        query_ids=tuple(f"{name}-{each}" for each in queries),
        query_image_ids=tuple(queries),
        database_image_ids=tuple(database),
    )


@pytest.fixture(scope="session")
def whales(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return whale_data(tmp_path_factory.mktemp("whales") / "data")


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """The submission folder of one of the programs."""

    def make(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        shutil.copyfile(PROGRAMS / f"{name}.py.txt", folder / "main.py")
        shutil.copyfile(PROGRAMS / "whales.py.txt", folder / "whales.py")
        return folder

    return make


class InProcess:
    """Answers as a sandbox would, but runs the program in this process: quick, and for programs of these tests only."""

    name = "in process"

    def __init__(self, scratch: Path) -> None:
        self.scratch, self.boxes = scratch, list[Box]()

    def run(self, box: Box, out: Path, **_: object) -> Run:
        self.boxes.append(box)
        place = self.scratch / str(len(self.boxes))
        shutil.copytree(box.submission, place)
        (place / "data").symlink_to(box.mounts[0].source)
        out.mkdir()
        (out / "log.txt").write_text("")
        failure, message = None, ""
        sys.path.insert(0, str(place))
        try:
            runpy.run_path(str(place / "main.py"), run_name="__main__")
        except Exception as error:
            failure, message = Failure.CRASH, f"{type(error).__name__}: {error}"
        finally:
            sys.path.remove(str(place))
            sys.modules.pop("whales", None)
        outputs: tuple[OutputFile, ...] = ()
        if failure is None:
            name = "submission/submission.csv"
            (out / "submission").mkdir()
            shutil.copyfile(place / name, out / name)
            outputs = (OutputFile(name=name, size_bytes=1, digest=digests.digest_file(place / name)),)
        return Run(
            backend=self.name,
            failure=failure,
            message=message,
            usage=Usage(wall_seconds=0.1),
            outputs=outputs,
            log_tail=(message,) if message else (),
        )

    def controls(self, limits: Limits) -> tuple[Control, ...]:
        return ()


@pytest.fixture
def in_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    (tmp_path / "boxes").mkdir()
    box: Any = InProcess(tmp_path / "boxes")
    monkeypatch.setattr("podium.sandbox.sandbox", lambda name="auto": box)
    return box
