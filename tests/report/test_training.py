"""The page of a training: what is read, what is worked out, what is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from podium.cli import call
from podium.errors import UsageError
from podium.report import held_out, training
from podium.report.held_out import HeldOut

HEADER = "video,start,class,score,probability"
Pair = tuple[str, int, int, int, float]

PAIRS: tuple[Pair, ...] = (
    ("a", 30, 3, 1, 0.9),
    ("a", 35, 3, 0, 0.8),
    ("b", 30, 3, 1, 0.4),
    ("b", 40, 3, 0, 0.1),
    ("b", 30, 7, 1, 0.7),
    ("c", 75, 7, 0, 0.2),
    ("c", 80, 9, 0, 0.95),
)
METRICS = (
    "epoch,step,train/loss_step,learning_rate,validation/loss,validation/map,validation/rank\n"
    "0,0,0.7,0.0001,,,\n0,10,0.3,0.0001,,,\n0,20,0.2,0.0001,0.25,0.5,12\n1,30,nan,0.0001,,,\n1,40,0.1,0.0001,0.2,0.6,8\n"
)


def put(folder: Path, pairs: Sequence[Pair] = PAIRS, metrics: str = METRICS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [HEADER, *(",".join(map(str, each)) for each in pairs)]
    (folder / "held_out.csv").write_text("\n".join(lines) + "\n")
    if metrics:
        (folder / "metrics.csv").write_text(metrics)
    return folder


def judged(pairs: Sequence[Pair], **more) -> held_out.Judgement:
    video, start, cls, score, probability = (np.array(each) for each in zip(*pairs, strict=True))
    pairs_read = HeldOut(
        video_N=video,
        start_seconds_N=start.astype(float),
        class_N=cls,
        positive_N=score > 0,
        probability_N=probability.astype(float),
    )
    found = held_out.judge(pairs_read, names={3: "Duck"}, **more)
    assert found is not None
    return found


def test_seven_pairs_are_judged_as_by_hand() -> None:
    found = judged(PAIRS, resamples=50)
    assert (found.ratings, found.positives, found.videos) == (7, 3, 3)
    assert [(each.item, each.note) for each in found.items] == [("3 Duck", "2 of 4 positive"), ("7", "1 of 2 positive")]
    assert [each.value for each in found.items] == pytest.approx([(1 + 2 / 3) / 2, 1])
    assert found.mean_average_precision == pytest.approx((5 / 6 + 1) / 2)
    # Of 12 pairs of a positive and a negative, 0.9 wins 3, 0.7 wins 2, 0.4 wins 2.
    assert found.roc_auc == pytest.approx(7 / 12)
    assert found.mean_roc_auc == pytest.approx((3 / 4 + 1) / 2)
    assert found.by_width.brier_score == pytest.approx((0.01 + 0.64 + 0.36 + 0.01 + 0.09 + 0.04 + 0.9025) / 7)
    assert found.interval is not None
    assert found.interval.unit == "3 videos"


def test_the_surest_mistakes_are_listed_first() -> None:
    assert [(each.label, each.probability, each.what, each.video) for each in judged(PAIRS).mistakes] == [
        ("9", 0.95, "called, but rated negative", "c"),
        ("3 Duck", 0.8, "called, but rated negative", "a"),
        ("3 Duck", 0.4, "passed over, but rated positive", "b"),
    ]


def test_at_most_ten_mistakes_of_each_kind_are_listed() -> None:
    pairs = [(f"v{at:02}", 0, 3, at % 2, 0.9 if at % 2 == 0 else 0.1) for at in range(60)]
    assert len(judged(pairs).mistakes) == 20


pairs_of_one_class = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.booleans(), st.floats(0, 1)), min_size=2, max_size=40
)


@given(pairs_of_one_class)
@settings(deadline=None)
def test_without_ties_ap_and_area_are_those_of_scikit_learn(rows: list[tuple[str, bool, float]]) -> None:
    distinct = {probability: (video, positive) for video, positive, probability in rows}
    pairs = [(video, at, 3, int(right), p) for at, (p, (video, right)) in enumerate(distinct.items())]
    positive = np.array([each[3] for each in pairs])
    probability = np.array([each[4] for each in pairs])
    if not positive.any() or positive.all():
        return
    found = judged(pairs, resamples=5)
    assert found.mean_average_precision == pytest.approx(average_precision_score(positive, probability), abs=1e-12)
    assert found.roc_auc == pytest.approx(roc_auc_score(positive, probability), abs=1e-12)


def test_the_order_of_the_rows_plays_no_part_even_among_equal_probabilities() -> None:
    pairs = [(f"v{at % 5}", 5 * at, 3, at % 2, 0.5) for at in range(20)]
    first, second = judged(pairs, resamples=20), judged(list(reversed(pairs)), resamples=20)
    assert first.mean_average_precision == second.mean_average_precision
    assert first.digest == second.digest
    assert first.drawn_D.tolist() == second.drawn_D.tolist()


def test_a_difference_needs_the_same_ratings() -> None:
    better = [(*each[:4], float(each[3])) for each in PAIRS]
    found = held_out.difference(judged(better, resamples=50), judged(PAIRS, resamples=50))
    assert found is not None
    value, interval = found
    assert value == pytest.approx(1 - (5 / 6 + 1) / 2)
    assert 0 <= interval.low <= interval.high
    assert held_out.difference(judged(PAIRS[:-1], resamples=50), judged(PAIRS, resamples=50)) is None


def test_nothing_positive_gives_no_judgement(tmp_path: Path) -> None:
    put(tmp_path, [("a", 0, 3, 0, 0.5)])
    assert held_out.judge(held_out.read(tmp_path / "held_out.csv"), names={}) is None
    assert "No rating in <code>held_out.csv</code> is positive" in training.write(tmp_path).read_text()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,0,3,1,1.5", "at most `1` is allowed"),
        ("a,0,3,1,nan", "a finite number is needed"),
        ("a,0,dog,1,0.5", "a whole number is needed"),
        ("a,0,3,1", "has `4` fields"),
    ],
)
def test_a_broken_table_is_refused_with_its_line(tmp_path: Path, row: str, message: str) -> None:
    put(tmp_path)
    (tmp_path / "held_out.csv").write_text(f"{HEADER}\n{row}\n")
    with pytest.raises(UsageError, match=message) as caught:
        training.write(tmp_path)
    assert "line 2" in str(caught.value)


def test_learning_curves_leave_out_rates_and_what_is_no_number(tmp_path: Path) -> None:
    found = training.learning(put(tmp_path) / "metrics.csv")
    assert [(each.name, each.x, each.y) for each in found.losses] == [
        ("train/loss_step", (0, 10, 20, 40), (0.7, 0.3, 0.2, 0.1)),
        ("validation/loss", (20, 40), (0.25, 0.2)),
    ]
    assert [(each.name, each.y_label) for each in found.others] == [
        ("validation/map", "value"),
        ("validation/rank", "validation/rank"),
    ]
    assert found.steps == 40
    assert dict(found.last)["validation/map"] == 0.6


def test_a_long_training_is_thinned_by_means(tmp_path: Path) -> None:
    rows = "".join(f"{step},{step % 2}\n" for step in range(20_000))
    found = training.learning(put(tmp_path, metrics="step,loss\n" + rows) / "metrics.csv")
    assert len(found.losses[0].y) == 4_000
    assert set(found.losses[0].y) <= {0.4, 0.6}


def test_a_loss_that_runs_away_is_thinned_all_the_same(tmp_path: Path) -> None:
    rows = "".join(f"{step},1e308\n" for step in range(20_000))
    found = training.learning(put(tmp_path, metrics="step,loss\n" + rows) / "metrics.csv")
    np.testing.assert_allclose(found.losses[0].y, 1e308)


def test_a_table_without_steps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the column `step` is missing"):
        training.learning(put(tmp_path, metrics="epoch,loss\n0,1\n") / "metrics.csv")


def test_one_training_has_its_page_and_a_twin(tmp_path: Path) -> None:
    folder = put(tmp_path / "aware-1")
    (folder / "model_assets").mkdir()
    (folder / "model_assets" / "classes.csv").write_text("Index,KnowledgeGraphId,Name\n3,/m/1,<b>Duck\n7,/m/2,\n")
    page = training.write(folder)
    text = page.read_text()
    assert page == folder / "report.html"
    assert "<h1>aware-1</h1>" in text
    assert "3 &lt;b&gt;Duck" in text
    assert 'class="chart reliability"' in text
    assert '<div class="bars">' in text
    assert "Side by side" not in text
    assert text.count('<svg class="chart" ') == 3
    assert "<script" not in text
    twin = json.loads((folder / "training.json").read_text())["trainings"][0]
    assert twin["name"] == "aware-1"
    assert twin["judgement"]["mean_average_precision"] == pytest.approx((5 / 6 + 1) / 2)
    assert twin["last"]["validation/loss"] == 0.2


def test_a_sequence_is_compared_the_best_first(tmp_path: Path) -> None:
    put(tmp_path / "agnostic")
    put(tmp_path / "aware", [(*each[:4], float(each[3])) for each in PAIRS])
    put(tmp_path / "other", PAIRS[:-1], metrics="")
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "metrics.csv").write_text(METRICS)
    (tmp_path / "empty").mkdir()
    assert [each.name for each in training.trainings(tmp_path)] == ["agnostic", "aware", "base", "other"]
    text = training.write(tmp_path).read_text()
    table = text[text.index('id="comparison"') : text.index("</section>")]
    order = [table.index(f">{name}</a>") for name in ("aware", "agnostic", "other")]
    assert order == sorted(order)
    assert "base" not in table
    assert "-0.0833 (" in table
    assert "judged by other ratings" in table
    assert "Nothing was held out" in text


def test_a_folder_without_trainings_is_refused(tmp_path: Path) -> None:
    assert not training.is_training(tmp_path)
    assert not training.is_training(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"has no `held_out\.csv` and no `metrics\.csv`"):
        training.write(tmp_path)


def test_the_same_folder_gives_the_same_page(tmp_path: Path) -> None:
    first = training.write(put(tmp_path / "run")).read_bytes()
    assert training.write(tmp_path / "run").read_bytes() == first


def test_the_command_tells_a_training_from_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = put(tmp_path / "run")
    assert call(["report", str(folder), "--no-open"]) == 0
    assert capsys.readouterr().out.strip().endswith("report.html")
    assert "Podium training" in (folder / "report.html").read_text()
    (folder / "report.json").write_text("{}")
    assert call(["report", str(folder), "--no-open"]) != 0
    assert "report.json" in capsys.readouterr().err
    assert call(["report", str(tmp_path), "--no-open"]) == 0
    (tmp_path / "void").mkdir()
    assert call(["report", str(tmp_path / "void"), "--no-open"]) == 2
