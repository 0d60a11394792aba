"""Results in Weights & Biases: written offline and read back, never sent."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from podium.challenges.davis import layout, paths, tracking
from podium.challenges.davis.results import ResultWriter
from podium.challenges.davis.tracking import Destination, Logged, log_evaluation, log_result, read_result
from podium.errors import MachineError, SubmissionError, UsageError
from podium.formats import masks
from podium.types import DataSet

HEIGHT, WIDTH, FRAMES = 24, 40, 3


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """One clip of three frames: a block of 8 x 8, twice, and nothing at the end."""
    made = DataSet(tmp_path / "data")
    raw, annotation = [], []
    for number in range(FRAMES):
        raw.append(f"{layout.IMAGES}/bear/{number:05}.jpg")
        annotation.append(f"{layout.ANNOTATIONS}/bear/{number:05}.png")
        for base, name in ((made.inputs, raw[-1]), (made.answers, annotation[-1])):
            (base / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(made.inputs / raw[-1])
        block = np.zeros((HEIGHT, WIDTH), np.uint8)
        block[8:16, 8:16] = 0 if number == FRAMES - 1 else 255
        masks.write(made.answers / annotation[-1], block)
    paths.write(made.inputs / paths.PATHS, {paths.RAW: raw})
    paths.write(made.answers / paths.PATHS, {paths.ANNOTATION: annotation})
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A result: the block, half of the block, nothing; a model of 1,234 parameters and 5,000 operations."""
    made = tmp_path / "result"
    with ResultWriter(made, parameters=1_234, operations=5_000) as result:
        for height in (8, 4, 0):
            probability = np.zeros((HEIGHT, WIDTH), np.float32)
            probability[8 : 8 + height, 8:16] = 1
            result.add(probability)
    return made


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Destination:
    pytest.importorskip("wandb", reason="the extra `wandb` is not installed")
    for name in ("WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "wandb-files"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    return Destination(project="davis", mode="offline", folder=tmp_path / "runs")


@pytest.fixture
def artifacts(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """W&B's own objects of what is logged, in order."""
    seen: list[Any] = []
    sent = tracking._sent

    def watched(run: Any, artifact: Any) -> Logged:
        seen.append(artifact)
        return sent(run, artifact)

    monkeypatch.setattr(tracking, "_sent", watched)
    return seen


def digest(path: Path) -> str:
    return base64.b64encode(hashlib.md5(path.read_bytes(), usedforsecurity=False).digest()).decode()


def records(logged: Logged) -> list[Any]:
    """What the run's own file holds: after 7 bytes a log of records in blocks of 32 KiB, as LevelDB writes one."""
    import wandb
    from wandb.proto import wandb_internal_pb2

    # Ends the process that writes the file, and with it the writing.
    wandb.teardown()
    raw = next(logged.folder.glob("*.wandb")).read_bytes()
    found, at, block, whole = [], 7, 32_768, b""
    while at + 7 <= len(raw):
        if block - at % block < 7:
            at += block - at % block
            continue
        length, part = struct.unpack_from("<HB", raw, at + 4)
        whole += raw[at + 7 : at + 7 + length]
        at += 7 + length
        # 1 is a whole record, 4 the end of one in several parts.
        if part in (1, 4):
            found.append(wandb_internal_pb2.Record.FromString(whole))
            whole = b""
    return found


def summary(logged: Logged) -> dict[str, Any]:
    items = [item for record in records(logged) for item in record.summary.update]
    return {item.key or item.nested_key[0]: json.loads(item.value_json) for item in items}


def test_a_result_becomes_an_artifact_in_the_form_of_the_contest(
    data: DataSet, folder: Path, offline: Destination, artifacts: list[Any]
) -> None:
    logged = log_result(read_result(folder, data), to=offline, name="mine")
    artifact = artifacts[0]
    assert artifact.type == "result"
    assert artifact.metadata == {"nparams": 1_234, "nflops": 5_000.0}
    entries = {name: entry.digest for name, entry in artifact.manifest.entries.items()}
    files = ["paths.json", *(f"outputs/{number:05}.png" for number in range(FRAMES))]
    assert entries == {name: digest(folder / name) for name in files}
    assert logged.entries == tuple(artifact.manifest.entries)


def test_an_offline_run_leaves_a_folder_that_can_be_sent_later(
    data: DataSet, folder: Path, offline: Destination
) -> None:
    logged = log_result(read_result(folder, data), to=offline, name="mine", split="test")
    assert logged.folder.parent == offline.folder / "wandb"  # type: ignore[operator]
    assert logged.url is None
    found = records(logged)
    run = next(record.run for record in found if record.HasField("run"))
    assert (run.project, run.job_type) == ("davis", "run-test")
    sent = [each.request.log_artifact.artifact for each in found if each.request.HasField("log_artifact")]
    sent += [each.artifact for each in found if each.HasField("artifact")]
    assert [(each.name, each.type) for each in sent] == [("mine", "result")]
    assert summary(logged)["nparams"] == 1_234


def test_an_evaluation_carries_the_contests_keys_and_a_row_for_each_frame(
    data: DataSet, folder: Path, offline: Destination, artifacts: list[Any]
) -> None:
    logged = log_evaluation(read_result(folder, data), to=offline, name="mine")
    assert logged.artifact == "mine-submission"
    assert artifacts[0].type == "submission"
    entry = artifacts[0].manifest.entries["val-eval-data.table.json"]
    table = json.loads(Path(entry.local_path).read_text())
    assert table["columns"] == ["out", "target", "iou_score"]
    # The whole block, half of it, and a frame that both leave empty, which the contest marks with -1.
    assert [row[2] for row in table["data"]] == [1.0, 0.5, -1.0]
    kept = summary(logged)
    # The mean is over the frames that are not empty in both.
    assert (kept["segmentation_metric"], kept["mean_iou"], kept["nparams"]) == (0.75, 0.75, 1_234)


def test_the_images_of_the_table_are_the_masks_and_the_truth(
    data: DataSet, folder: Path, offline: Destination, artifacts: list[Any]
) -> None:
    log_evaluation(read_result(folder, data), to=offline, name="mine")
    entries = artifacts[0].manifest.entries
    table = json.loads(Path(entries["val-eval-data.table.json"].local_path).read_text())
    for number, (out, target, _) in enumerate(table["data"]):
        assert entries[out["path"]].digest == digest(folder / f"outputs/{number:05}.png")
        assert entries[target["path"]].digest == digest(data.answers / f"{layout.ANNOTATIONS}/bear/{number:05}.png")


def test_a_frame_without_a_mask_counts_zero_and_has_no_picture(
    data: DataSet, folder: Path, offline: Destination, artifacts: list[Any]
) -> None:
    table = json.loads((folder / "paths.json").read_text())
    del table["output"]["0"]
    (folder / "paths.json").write_text(json.dumps(table))
    logged = log_evaluation(read_result(folder, data), to=offline, name="mine")
    entry = artifacts[0].manifest.entries["val-eval-data.table.json"]
    first = json.loads(Path(entry.local_path).read_text())["data"][0]
    assert (first[0], first[2]) == (None, 0.0)
    assert summary(logged)["mean_iou"] == 0.25


def test_a_result_that_breaks_a_rule_is_not_logged(data: DataSet, folder: Path) -> None:
    (folder / "metadata.json").write_text("{}")
    with pytest.raises(SubmissionError) as caught:
        read_result(folder, data)
    assert "nparams" in str(caught.value.problems[0])


def test_without_wandb_the_extra_is_named(data: DataSet, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MachineError, match=r"podium\[wandb\]"):
        log_result(read_result(folder, data), to=Destination(project="davis", mode="offline"), name="mine")


@pytest.mark.parametrize("name", ["", "a/b", "a b", ".hidden", "a:v1", "a" * 121])
def test_names_that_wandb_would_not_take_are_refused_before_anything_starts(
    name: str, data: DataSet, folder: Path
) -> None:
    destination = Destination(project="davis", mode="offline")
    with pytest.raises(UsageError, match="letters"):
        log_result(read_result(folder, data), to=destination, name=name)
    with pytest.raises(UsageError, match="letters"):
        replace(destination, project=name)


def test_wandb_is_not_imported_unless_something_is_logged() -> None:
    code = (
        "import sys, podium.challenges.davis.tracking, podium.cli.log;"
        "sys.exit('wandb' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
