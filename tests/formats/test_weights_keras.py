"""Keras files, read with h5py and never through Keras; Keras' own counts."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from podium.errors import SubmissionError
from podium.formats.weights import WeightKind, read_weights, tally, weight_kind

h5py = pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def model() -> Any:
    import os

    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    layers = keras.layers
    given = keras.Input((12, 12, 3))
    inner = keras.Sequential([layers.Input((10, 10, 8)), layers.Conv2D(4, 1), layers.BatchNormalization()])
    x = layers.BatchNormalization(name="any_name")(layers.Conv2D(8, 3)(given))
    x = layers.BatchNormalization(scale=False)(x)
    return keras.Model(given, layers.Dense(2)(inner(x)))


PARAMETERS = 224 + 16 + 8 + 36 + 8 + 10
STATISTICS = 16 + 16 + 8


@pytest.mark.slow  # Keras takes long to import
@pytest.mark.parametrize("name", ["m.keras", "m.weights.h5", "m.h5"])
def test_a_model_is_counted_in_every_format(model: Any, tmp_path: Path, name: str) -> None:
    save = model.save_weights if ".weights." in name else model.save
    save(tmp_path / name)
    file = read_weights(tmp_path / name)
    assert file.kind is weight_kind(tmp_path / name) is WeightKind.KERAS
    counts = tally([file])
    assert (counts.parameters, counts.statistics) == (PARAMETERS, STATISTICS)
    assert counts.with_statistics == model.count_params()


@pytest.mark.slow
def test_optimizer_state_counts_but_not_its_scalars(model: Any, tmp_path: Path) -> None:
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "m.keras")
    counts = tally([read_weights(tmp_path / "m.keras")])
    assert counts.parameters == 3 * PARAMETERS


def write(path: Path, **datasets: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in datasets.items():
            file.create_dataset(name.replace("__", "/"), data=value)
    return path


def test_numbered_variables_of_a_normalisation_end_in_its_statistics(tmp_path: Path) -> None:
    numbered = {f"layers__batch_normalization__vars__{at}": np.zeros(8, "f4") for at in range(4)}
    numbered |= {f"layers__batch_normalization_1__vars__{at}": np.zeros(8, "f4") for at in range(3)}
    numbered |= {f"layers__dense__vars__{at}": np.zeros(8, "f4") for at in range(4)}
    counts = tally([read_weights(write(tmp_path / "a.weights.h5", **numbered))])
    assert (counts.parameters, counts.statistics) == (16 + 8 + 32, 16 + 16)


def test_variables_called_as_a_normalisation_calls_them_are_statistics_beside_their_scale(tmp_path: Path) -> None:
    named = {"bn__bn__gamma": np.zeros(8, "f4"), "bn__bn__moving_mean": np.zeros(8, "f4")}
    named |= {"lie__moving_mean": np.zeros(9, "f4"), "optimizer__vars__1": np.float32(0.1)}
    counts = tally([read_weights(write(tmp_path / "a.h5", **named))])
    assert (counts.parameters, counts.statistics, counts.constants) == (8 + 9, 8, 1)


def test_compressed_and_half_precision_data_count_by_the_number(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("packed", data=np.zeros((100, 100), "f4"), compression="gzip")
        file.create_dataset("half", data=np.zeros(50, "f2"))
    assert tally([read_weights(tmp_path / "a.h5")]).parameters == 10_050


def test_texts_records_and_opaque_bytes_count_by_the_byte(tmp_path: Path) -> None:
    records = np.zeros(10, dtype=[("a", "f4"), ("b", "f8")])
    path = write(tmp_path / "a.h5", records=records, text=np.bytes_(b"x" * 300))
    assert tally([read_weights(path)]).parameters == 120 + 300


def test_a_dataset_with_two_names_counts_once(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = np.zeros(40, "f4")
        file["b/c"] = file["a"]
        file["round"] = file["b"]
        file["b/up"] = file["/"]
    assert tally([read_weights(tmp_path / "a.h5")]).parameters == 40


@pytest.mark.parametrize("kind", ["soft", "external"])
def test_links_to_elsewhere_are_refused(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "other.h5", a=np.zeros(40, "f4"))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["link"] = h5py.SoftLink("/x") if kind == "soft" else h5py.ExternalLink("other.h5", "/a")
    with pytest.raises(SubmissionError, match="link"):
        read_weights(tmp_path / "a.h5")


def test_data_outside_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"\0" * 400)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", (100,), "f4", external=[(str(tmp_path / "raw"), 0, 400)])
    with pytest.raises(SubmissionError, match="outside"):
        read_weights(tmp_path / "a.h5")
    layout = h5py.VirtualLayout((40,), "f4")
    layout[:] = h5py.VirtualSource(str(write(tmp_path / "other.h5", a=np.zeros(40, "f4"))), "a", shape=(40,))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_virtual_dataset("a", layout)
    with pytest.raises(SubmissionError, match="outside"):
        read_weights(tmp_path / "b.h5")


def test_bytes_that_are_no_dataset_are_told(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=1 << 20) as file:
        file["a"] = np.zeros(4, "f4")
    with pytest.raises(SubmissionError, match="no weight file"):
        read_weights(tmp_path / "a.h5")
    write(tmp_path / "b.h5", a=np.zeros(4, "f4"))
    with (tmp_path / "b.h5").open("ab") as stream:
        stream.write(b"\1" * 5_000_000)
    assert read_weights(tmp_path / "b.h5").other_bytes >= 5_000_000


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", a=np.zeros(4000, "f4"))
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(SubmissionError, match="no sound HDF5 file"):
        read_weights(path)


def test_an_archive_whose_weights_are_missing_or_broken_is_refused(tmp_path: Path) -> None:
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        file["layers/dense/vars/0"] = np.zeros((4, 2), "f4")
    for name, entries, match in (
        ("a.keras", {"config.json": b"{}"}, "another zip"),
        ("b.keras", {"config.json": b"{}", "model.weights.h5": b"no"}, "HDF5"),
    ):
        with zipfile.ZipFile(tmp_path / name, "w") as target:
            for entry, raw in entries.items():
                target.writestr(entry, raw)
        with pytest.raises(SubmissionError, match=match):
            read_weights(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "c.keras", "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("config.json", b"{}")
        target.writestr("model.weights.h5", held.getvalue())
    assert tally([read_weights(tmp_path / "c.keras")]).parameters == 8


def test_what_lies_in_a_chunk_past_the_shape_belongs_to_no_tensor(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("a/vars/0", (100_000,), "f4", maxshape=(None,), chunks=(100_000,))
        data[:] = np.arange(100_000)
        data.resize((10,))
    found = read_weights(tmp_path / "a.h5")
    assert tally([found]).parameters == 10
    assert found.other_bytes >= 4 * (100_000 - 10)


def test_zeros_that_pack_well_do_not_cover_for_other_bytes(tmp_path: Path) -> None:
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        file["layers/dense/vars/0"] = np.zeros(1_000_000, "f4")
    hidden = np.random.default_rng(0).bytes(2_000_000)
    with zipfile.ZipFile(tmp_path / "a.keras", "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("config.json", b"{}")
        target.writestr("model.weights.h5", held.getvalue() + hidden)
    assert read_weights(tmp_path / "a.keras").other_bytes >= 2_000_000
