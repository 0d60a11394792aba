"""`podium score-tree`: official numbers on stdout, tables where they are asked for, faults by name."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from podium.challenges.davis.trees import Protocol
from podium.cli import call, trees
from podium.errors import UsageError
from podium.formats import masks

VALUES = Path(__file__).parents[3] / "shared" / "values" / "davis"
TWO = np.zeros((40, 60), np.uint8)
TWO[5:15, 5:20], TWO[20:30, 10:30] = 1, 2


def tree(root: Path, names: tuple[str, ...], labels: np.ndarray = TWO) -> Path:
    for name in names:
        (root / name).mkdir(parents=True)
        for at in range(4):
            masks.write(root / name / f"{at:05}.png", labels, palette=True)
    return root


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return tree(tmp_path / "truth", ("bear", "goat"))


def test_the_option_knows_every_protocol() -> None:
    assert [each.value for each in Protocol] == list(trees._PROTOCOLS)


@pytest.mark.parametrize("protocol", [each.value for each in Protocol])
def test_the_truth_itself_scores_one_and_the_protocol_is_named(
    truth: Path, protocol: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["score-tree", str(truth), str(truth), "--protocol", protocol]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    names = ["bear", "goat"] if protocol == "2016" else ["bear_1", "bear_2", "goat_1", "goat_2"]
    assert [line.split()[0] for line in lines[1:-2]] == [*names, "mean"]
    assert lines[-2].startswith(f"DAVIS {protocol}: ")
    assert lines[-1] == "J&F 1.0000  J 1.0000  F 1.0000"
    assert captured.err == ""


@pytest.mark.skipif(not VALUES.is_dir(), reason="the official reference values are not here")
def test_the_numbers_are_the_official_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = tmp_path / "val.txt"
    listed.write_text("/JPEGImages/480p/judo/00000.jpg /Annotations/480p/judo/00000.png\n" * 3)
    folders = [str(VALUES / "masks" / name) for name in ("osvos", "rvos")]
    out = tmp_path / "tables"
    arguments = ["--protocol", "2016", "--sequences", str(listed), "--out", str(out), "--json"]
    assert call(["score-tree", *folders, *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    (row,) = [
        each for each in csv.DictReader((VALUES / "davis_reference_values.csv").open()) if each["sequence"] == "judo"
    ]
    assert told["protocol"] == "2016"
    assert [each["name"] for each in told["tracks"]] == ["judo"]
    for letter in "JF":
        for part in ("mean", "recall", "decay"):
            assert told[letter][part] == pytest.approx(float(row[f"{letter}_{part}_inner"]), abs=1e-12)
    assert told["J&F"] == pytest.approx(float(row["JF_mean_inner"]), abs=1e-12)
    table = (out / "per-sequence_results-val.csv").read_text().splitlines()
    assert table == [
        "Sequence,J-Mean,F-Mean",
        f"judo,{float(row['J_mean_inner']):.3f},{float(row['F_mean_inner']):.3f}",
    ]


def test_a_list_names_sequences_or_frames(tmp_path: Path, truth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = tmp_path / "some.txt"
    listed.write_bytes(b"\xef\xbb\xbfgoat\r\n\r\n  \ngoat\n")
    assert trees.read_list(listed) == ("goat",)
    listed.write_text("/JPEGImages/480p/bear/00000.jpg /Annotations/480p/bear/00000.png 1\n480p/goat/00001.jpg\n")
    assert trees.read_list(listed) == ("bear", "goat")
    listed.write_text("goat\n")
    out = tmp_path / "out"
    command = [
        "score-tree",
        str(truth),
        str(truth),
        "--protocol",
        "2016",
        "--sequences",
        str(listed),
        "--out",
        str(out),
    ]
    assert call(command) == 0
    captured = capsys.readouterr()
    assert "bear" not in captured.out
    assert sorted(each.name for each in out.iterdir()) == ["global_results-some.csv", "per-sequence_results-some.csv"]


@pytest.mark.parametrize(("content", "said"), [(b"", "names no sequence"), (b"\xff\xfe\x00", "is no text")])
def test_a_list_that_is_none_is_wrong_use(tmp_path: Path, content: bytes, said: str) -> None:
    listed = tmp_path / "list.txt"
    listed.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        trees.read_list(listed)


def test_a_list_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("bear\n")
    monkeypatch.setattr(trees, "_MOST_LIST_BYTES", 4)
    with pytest.raises(UsageError, match="more than `4` bytes"):
        trees.read_list(listed)


def test_faults_of_results_end_with_one_and_are_all_named(
    truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tree(tmp_path / "bad", ("bear",), TWO.T.copy())
    assert call(["score-tree", str(truth), str(bad), "--protocol", "2017-unsupervised"]) == 1
    captured = capsys.readouterr()
    said = captured.err.replace("\n", " ")
    assert "`bear/00000.png`: the mask is `40x60`" in said
    assert "`goat/00000.png`: the file is missing" in said
    assert captured.out == ""


def test_wrong_use_ends_with_two(truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("zebra\n")
    folders = [str(truth), str(truth)]
    assert call(["score-tree", *folders]) == 2
    assert call(["score-tree", *folders, "--protocol", "2018"]) == 2
    assert call(["score-tree", *folders, "--protocol", "2016", "--sequences", str(listed)]) == 2
    assert "no sequence `zebra`" in capsys.readouterr().err
    assert call(["score-tree", str(truth), str(tmp_path / "gone"), "--protocol", "2016"]) == 2


def test_the_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["score-tree", "-h"]) == 0
    assert "podium score-tree DAVIS/Annotations/480p results --protocol 2016" in " ".join(
        capsys.readouterr().out.split()
    )


def test_a_list_without_end_is_refused(truth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [str(truth), str(truth)]
    assert call(["score-tree", *folders, "--protocol", "2016", "--sequences", "/dev/zero"]) == 2
    assert "has more than `1,048,576` bytes" in capsys.readouterr().err.replace("\n", " ")
