"""Trees of masks under the protocols of DAVIS, against the official numbers and by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from podium.challenges.davis.trees import Protocol, judge_tree
from podium.errors import ChallengeError, SubmissionError, UsageError
from podium.formats import masks

VALUES = Path(__file__).parents[3] / "shared" / "values" / "davis"
needs_values = pytest.mark.skipif(not VALUES.is_dir(), reason="the official reference values are not here")

TWO = np.zeros((40, 60), np.uint8)
TWO[5:15, 5:20], TWO[20:30, 10:30] = 1, 2


def tree(root: Path, sequences: dict[str, list[np.ndarray]], *, palette: bool = True) -> Path:
    for name, frames in sequences.items():
        (root / name).mkdir(parents=True)
        for number, labels in enumerate(frames):
            masks.write(root / name / f"{number:05}.png", labels, palette=palette)
    return root


@needs_values
def test_sequences_have_the_official_numbers_of_2016() -> None:
    names = ["drift-straight", "judo"]
    result = judge_tree(VALUES / "masks/osvos", VALUES / "masks/rvos", Protocol.DAVIS_2016, sequences=names)
    rows = {row["sequence"]: row for row in csv.DictReader((VALUES / "davis_reference_values.csv").open())}
    assert [each.name for each in result.tracks] == names
    for track in result.tracks:
        for letter, part in (("J", track.region), ("F", track.boundary)):
            for name in ("mean", "recall", "decay"):
                expected = float(rows[track.sequence][f"{letter}_{name}_inner"])
                assert getattr(part, name) == pytest.approx(expected, abs=1e-12)


@needs_values
def test_objects_have_the_official_numbers_of_2017() -> None:
    folder = VALUES / "masks"
    result = judge_tree(folder / "osvos", folder / "rvos", Protocol.UNSUPERVISED, sequences=["judo"])
    table = csv.DictReader((VALUES / "davis_reference_multiobject.csv").open())
    rows = [row for row in table if (row["sequence"], row["protocol"]) == ("judo", "unsupervised_hungarian")]
    assert result.region.mean == pytest.approx(np.mean([float(row["J_mean"]) for row in rows]), abs=1e-12)
    assert result.boundary.decay == pytest.approx(np.mean([float(row["F_decay"]) for row in rows]), abs=1e-12)
    assert result.both == pytest.approx((result.region.mean + result.boundary.mean) / 2, abs=1e-15)


@pytest.mark.parametrize("protocol", list(Protocol), ids=lambda each: each.value)
def test_the_truth_itself_scores_1_1_0(protocol: Protocol, tmp_path: Path) -> None:
    truth = tree(tmp_path / "truth", {"one": [TWO] * 4, "two": [TWO] * 5})
    result = judge_tree(truth, truth, protocol)
    for part in (result.region, result.boundary):
        assert (part.mean, part.recall, part.decay) == (1.0, 1.0, 0.0)
    many = protocol is not Protocol.DAVIS_2016
    assert [each.name for each in result.tracks] == (["one_1", "one_2", "two_1", "two_2"] if many else ["one", "two"])
    whole, each = result.write(tmp_path)
    assert whole.read_text().splitlines()[1] == "1.000,1.000,1.000,0.000,1.000,1.000,0.000"
    assert each.read_text().splitlines()[1] == f"one{'_1' * many},1.000,1.000"


def test_permuted_ids_score_1_unsupervised_and_0_semi_supervised(tmp_path: Path) -> None:
    truth = tree(tmp_path / "truth", {"one": [TWO] * 4})
    turned = tree(tmp_path / "turned", {"one": [np.where(TWO > 0, 3 - TWO, 0).astype(np.uint8)] * 4})
    assert judge_tree(truth, turned, Protocol.UNSUPERVISED).both == 1.0
    assert judge_tree(truth, turned, Protocol.SEMI_SUPERVISED).region.mean == 0.0
    assert judge_tree(truth, turned, Protocol.DAVIS_2016).both == 1.0


def test_grey_masks_of_0_and_255_are_one_object_under_every_protocol(tmp_path: Path) -> None:
    one = (TWO == 1).astype(np.uint8)
    truth = tree(tmp_path / "truth", {"one": [one] * 4})
    grey = tree(tmp_path / "grey", {"one": [one * 255] * 4}, palette=False)
    for protocol in Protocol:
        assert judge_tree(truth, grey, protocol).both == 1.0
        assert judge_tree(grey, truth, protocol).both == 1.0


def test_only_the_inner_frames_count_where_the_first_is_given(tmp_path: Path) -> None:
    truth = tree(tmp_path / "truth", {"one": [TWO] * 4})
    bad = tree(tmp_path / "bad", {"one": [TWO * 0, TWO, TWO, TWO * 0]})
    assert judge_tree(truth, bad, Protocol.DAVIS_2016).both == 1.0
    assert judge_tree(truth, bad, Protocol.SEMI_SUPERVISED).both == 1.0
    assert judge_tree(truth, bad, Protocol.UNSUPERVISED).both == 0.5


def test_every_fault_of_a_tree_is_named_at_once(tmp_path: Path) -> None:
    truth = tree(tmp_path / "truth", {"one": [TWO] * 4, "two": [TWO] * 4})
    bad = tree(tmp_path / "bad", {"one": [TWO, TWO * 90, TWO.T, TWO]})
    with pytest.raises(SubmissionError) as caught:
        judge_tree(truth, bad, Protocol.UNSUPERVISED)
    found = "\n".join(str(each) for each in caught.value.problems)
    assert "`one/00001.png`: the highest object id is `180`; at most `20`" in found
    assert "`one/00002.png`: the mask is `40x60`" in found
    assert "`two/00000.png`: the file is missing" in found
    assert "(and 1 more like it)" in found


def test_annotations_that_cannot_be_judged_are_not_the_participants_fault(tmp_path: Path) -> None:
    empty = tree(tmp_path / "empty", {"one": [TWO * 0] * 4})
    short = tree(tmp_path / "short", {"one": [TWO] * 2})
    with pytest.raises(ChallengeError, match="shows no object"):
        judge_tree(empty, empty, Protocol.UNSUPERVISED)
    with pytest.raises(ChallengeError, match="none of which counts"):
        judge_tree(short, short, Protocol.DAVIS_2016)
    with pytest.raises(UsageError, match="no sequence `two`"):
        judge_tree(short, short, Protocol.DAVIS_2016, sequences=["two"])


def test_names_that_cannot_be_written_are_refused_and_others_quoted(tmp_path: Path) -> None:
    odd = tree(tmp_path / "odd", {"a\x1b[31m": [TWO] * 4})
    with pytest.raises(ChallengeError, match="cannot be written") as caught:
        judge_tree(odd, odd, Protocol.DAVIS_2016)
    assert str(caught.value).isprintable()
    comma = tree(tmp_path / "comma", {'a,"b"': [TWO] * 4})
    table = judge_tree(comma, comma, Protocol.DAVIS_2016).write(tmp_path)[1]
    with table.open(newline="") as stream:
        assert list(csv.reader(stream))[1] == ['a,"b"', "1.000", "1.000"]
